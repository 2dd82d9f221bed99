"""`ringtrue inspect`: the lines that it prints, what it refuses, and the files that it writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from examples import synth
from ringtrue.errors import Misconfigured, WrongUse
from services.ingest.audio.decode import Recording
from services.ingest.commands import app
from services.ingest.inspection import reading
from services.ingest.inspection.finding import KEYS
from services.ingest.inspection.reading import write_excerpt

VOICE = Path(__file__).parents[2] / "data" / "audio" / "whatstheweatherlike.wav"


def spoken() -> synth.Sound:
    samples, _ = soundfile.read(VOICE)
    return np.asarray(samples[::2])


def stereo() -> synth.Sound:
    """Three rings and a beep on the second channel; a voice on the first one, while it rings."""
    ringing = np.concatenate([synth.ringback(3), synth.silence(300), synth.beep(), synth.silence(700)])
    voice = np.zeros(len(ringing))
    voice[8_000 : 8_000 + len(spoken())] = spoken()
    return np.stack([voice, ringing], 1)


def run(*arguments: object) -> Result:
    """Runs the command. What it raises on purpose passes: the frame of the command line makes an exit code of it."""
    result = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines(*arguments: object, code: int = 0) -> list[Any]:
    result = run("--json", *arguments)
    assert result.exit_code == code, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings that can be used and files that cannot."""
    folder = tmp_path_factory.mktemp("calls")
    for name, data in {
        "stereo.wav": synth.encoded(stereo(), "alaw"),
        "american.flac": synth.encoded(np.concatenate([synth.ringback(2, "US"), synth.silence(500)]), "flac"),
        "text.wav": b"no sound at all\n",
        "empty.wav": b"",
    }.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def told(folder: Path) -> list[Any]:
    """The lines of good and bad files, a folder and a file that is not there among them."""
    names = ["text.wav", "stereo.wav", "missing.wav", "american.flac", "", "empty.wav", "stereo.wav"]
    return lines(*(folder / name for name in names), code=1)


def test_there_is_a_line_for_each_file_in_the_order_given(folder: Path, told: list[Any]) -> None:
    names = ["text.wav", "stereo.wav", "missing.wav", "american.flac", "", "empty.wav", "stereo.wav"]
    assert [line["file"] for line in told] == [str(folder / name) for name in names]
    assert told[1] == told[-1]


@pytest.mark.slow
def test_many_files_are_read_by_several_processes_and_still_told_in_the_order_given(
    folder: Path, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_QUICK_BYTES", 0)
    assert lines(*(line["file"] for line in told), code=1) == told


def test_every_line_has_the_same_keys(told: list[Any]) -> None:
    assert {tuple(line) for line in told} == {KEYS}


def test_a_file_that_cannot_be_used_has_an_error_and_nothing_else(told: list[Any]) -> None:
    bad = [line for line in told if line["error"] is not None]
    assert [line["error"]["kind"] for line in bad] == ["text", "not_found", "not_a_file", "empty"]
    for line in bad:
        assert set(line["error"]) == {"kind", "message"}
        assert line["file"] in line["error"]["message"]
        assert {line[key] for key in KEYS[1:-1]} == {None}


def test_what_is_heard_is_told_with_its_channel_and_its_milliseconds(told: list[Any]) -> None:
    line = told[1]
    assert (line["rate_hz"], line["channels"], line["codec"]) == (8_000, 2, "WAV/ALAW")
    assert (line["country"], line["ring_count"], line["warnings"], line["error"]) == ("MA", 3, [], None)
    assert line["duration_ms"] == len(stereo()) // 8
    assert 0.9 <= line["ring_confidence"] <= 1
    assert [set(ring) for ring in line["rings"]] == [{"start_ms", "end_ms", "channel", "confidence"}] * 3
    assert [ring["channel"] for ring in line["rings"]] == [1, 1, 1]
    assert [ring["start_ms"] for ring in line["rings"]] == pytest.approx([0, 5_000, 10_000], abs=40)
    assert line["last_ring_end_ms"] == line["rings"][-1]["end_ms"] == pytest.approx(11_700, abs=40)
    (beep,) = line["tones"]
    assert (beep["kind"], beep["channel"]) == ("voicemail", 1)
    for key in ("speech", "segments"):
        assert {tuple(part) for part in line[key]} == {("start_ms", "end_ms", "channel")}
        assert {part["channel"] for part in line[key]} == {0}
        assert all(700 < part["start_ms"] < part["end_ms"] < 3_500 for part in line[key])


def test_rings_are_counted_by_the_plan_of_the_country_that_is_named(folder: Path, told: list[Any]) -> None:
    (line,) = lines(folder / "american.flac", "--country", "US")
    assert (line["country"], line["ring_count"]) == ("US", 2)
    assert (told[3]["country"], told[3]["ring_count"]) == ("MA", 0)


def test_a_country_without_a_plan_stops_before_any_file_is_read() -> None:
    with pytest.raises(Misconfigured, match=r"'XX'.*MA"):
        run("nothing.wav", "--country", "XX")


def test_people_see_every_file_that_can_be_used_and_why_another_cannot(folder: Path) -> None:
    result = run(folder / "stereo.wav", folder / "text.wav")
    assert result.exit_code == 1
    assert "3 rings (confidence 0.99)" in result.stdout
    assert "a voicemail tone follows" in result.stdout
    assert "it is a text file" in " ".join(result.stderr.split())
    assert "text.wav" not in result.stdout


def test_the_ten_seconds_around_a_second_are_written_with_all_channels(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(folder / "stereo.wav", "--json", "--listen-at", "7.5")
    excerpt = tmp_path / "stereo-at-7.5s.wav"
    assert excerpt.name in result.stderr
    samples, rate_hz = soundfile.read(excerpt, dtype="int16")
    whole, _ = soundfile.read(folder / "stereo.wav", dtype="int16")
    assert rate_hz == 8_000
    assert np.array_equal(samples, whole[20_000:100_000])
    assert list(tmp_path.iterdir()) == [excerpt]


def test_an_excerpt_ends_where_the_recording_does(tmp_path: Path) -> None:
    samples = np.arange(16_000 * 12, dtype=np.int16)
    recording = Recording((samples, samples[::-1]), 16_000, 16_000, 2, "WAV/PCM_16")
    for at_s, first, end in ((0, 0, 80_000), (6, 16_000, 176_000), (11.5, 104_000, 192_000)):
        write_excerpt(recording, at_s, tmp_path / "a.wav")
        written, rate_hz = soundfile.read(tmp_path / "a.wav", dtype="int16")
        assert rate_hz == 16_000
        assert np.array_equal(written, np.stack(recording.channels, 1)[first:end])


def test_a_second_that_the_recording_does_not_have_is_said_and_the_rest_still_shown(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(folder / "stereo.wav", "--json", "--listen-at", "60")
    assert result.exit_code == 1
    assert "there is no second 60, it lasts 16.3 s" in " ".join(result.stderr.split())
    assert json.loads(result.stdout)["ring_count"] == 3
    assert not list(tmp_path.iterdir())


def test_each_of_several_files_gets_its_own_picture_and_excerpt(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [folder / "american.flac", folder / "text.wav", folder / "american.flac"]
    assert run(*files, "--json", "--plot", "out.png", "--listen-at", 1).exit_code == 1
    written = {"out-1.png", "out-3.png", "american-at-1s-1.wav", "american-at-1s-3.wav"}
    assert {path.name for path in tmp_path.iterdir()} == written


@pytest.mark.parametrize(
    ("plot", "complaint"), [("out.jpg", r"end in \.png"), ("nowhere/out.png", "no folder nowhere")]
)
def test_a_picture_that_cannot_be_written_is_refused_before_any_file_is_read(
    plot: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongUse, match=complaint):
        run("nothing.wav", "--plot", plot)


def test_without_matplotlib_a_picture_is_refused_with_the_extra_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WrongUse, match=r"pip install 'ringtrue\[plot\]'"):
        run("nothing.wav", "--plot", "out.png")
