import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.rings import baseline, sounds
from benchmarks.rings.__main__ import FINAL_FIRST, main
from benchmarks.rings.calls import CASES, ENDINGS, RINGING_CASES, Truth, make_call
from benchmarks.rings.codecs import DELAYS_MS, STEREO, WEIGHTS, encoded
from benchmarks.rings.report import Exactness, tables
from benchmarks.rings.scoring import Scored, append, load, scored
from benchmarks.rings.sounds import Sound
from benchmarks.rings.tones import national_tones
from services.ingest.audio.decode import decode

ROW = Scored(
    seed=1,
    country="MA",
    case="plain",
    ending="busy",
    codec="ulaw",
    snr_db=20,
    level_dbfs=-10.0,
    seconds=36.0,
    ring_count=3,
    counted=3,
    confidence=0.99,
    end_error_ms=-12.0,
    named=(("busy", True),),
    baseline=4,
)


@pytest.fixture(scope="module")
def calls() -> list[tuple[Truth, Sound]]:
    return [make_call(seed) for seed in range(40)]


def strength(sound: Sound, start_ms: float, end_ms: float, hertz: float) -> float:
    """The amplitude of one frequency between two times."""
    piece = sound[sounds.samples(start_ms) : sounds.samples(end_ms)]
    times = np.arange(len(piece)) / sounds.RATE_HZ
    return float(2 * np.abs(np.mean(piece * np.exp(-2j * np.pi * hertz * times))))


def row(**changes: Any) -> Scored:
    return dataclasses.replace(ROW, **changes)


def printed(rows: Sequence[Scored], title: str) -> dict[str, list[str]]:
    """The cells of one table, by the first cell of their row."""
    (made,) = [made for made in tables(rows, "a caption") if made.title == title]
    cells = [list(column.cells) for column in made.columns]
    return {str(first): [str(cell) for cell in rest] for first, *rest in zip(*cells, strict=True)}


# The generator


def test_the_same_seed_makes_the_same_call(calls: list[tuple[Truth, Sound]]) -> None:
    for seed in (3, 17):
        truth, sound = make_call(seed)
        assert truth == calls[seed][0]
        np.testing.assert_array_equal(sound, calls[seed][1])


def test_another_seed_makes_another_call(calls: list[tuple[Truth, Sound]]) -> None:
    assert len({dataclasses.replace(truth, seed=0) for truth, _ in calls}) == len(calls)


def test_the_ringing_tone_sounds_where_the_truth_says(calls: list[tuple[Truth, Sound]]) -> None:
    single = {country: tones for country, tones in national_tones().items() if len(tones.ring) == 1}
    rings = 0
    for truth, sound in calls:
        if truth.country not in single or truth.case in ("detuned", "level_changes", "packet_loss"):
            continue
        hertz = single[truth.country].ring[0].frequencies_hz
        far = sound[:, truth.channel or 0]
        for start, end in truth.rings:
            middle = (start + end) / 2 if truth.country not in ("UK", "AU") else start + 130
            heard = strength(far, middle - 60, middle + 60, hertz[0])
            assert heard > 0.4 * sounds.gain(truth.level_dbfs) / len(hertz)
            rings += 1
    assert rings > 20


def test_on_a_clean_line_nothing_sounds_between_the_rings(calls: list[tuple[Truth, Sound]]) -> None:
    pauses = 0
    for truth, sound in calls:
        if truth.case != "plain" or truth.snr_db is not None:
            continue
        for (_, end), (start, _) in itertools.pairwise(truth.rings):
            assert not sound[sounds.samples(end + 1) : sounds.samples(start - 1)].any()
            pauses += 1
    assert pauses


def test_half_of_a_ring_decides_whether_it_counts(calls: list[tuple[Truth, Sound]]) -> None:
    for truth, _ in calls:
        whole = sum(truth.cadence_ms[::2])
        for start, end in truth.rings:
            assert end - start >= 0.49 * whole
        for kind, start, end in truth.tones:
            assert kind != "ring_part" or end - start < 0.51 * sum(truth.cadence_ms[:-1])
    parts = [truth.seed for truth, _ in calls if any(kind == "ring_part" for kind, _, _ in truth.tones)]
    assert parts


def test_everything_the_truth_names_lies_in_the_call(calls: list[tuple[Truth, Sound]]) -> None:
    for truth, sound in calls:
        assert truth.duration_ms == len(sound) / 8
        assert truth.case in CASES
        assert (truth.ending in ENDINGS) == (truth.case in RINGING_CASES)
        for start, end in [*truth.rings, *(times for _, *times in truth.tones)]:
            assert 0 <= start < end <= truth.duration_ms + 1
        assert sound.shape[1] == (2 if truth.case == "one_channel" else 1)
        assert truth.codec in (STEREO if truth.case == "one_channel" else WEIGHTS)


def test_noise_is_as_far_below_the_tone_as_the_truth_says(calls: list[tuple[Truth, Sound]]) -> None:
    for truth, sound in calls:
        if truth.snr_db != 10 or truth.case not in ("plain", "cut_by_start") or not truth.rings:
            continue
        start, end = truth.rings[-1]
        ring = sound[sounds.samples(start + 20) : sounds.samples(end - 20), 0]
        tone_db = 20 * np.log10(sounds.gain(truth.level_dbfs))
        assert abs(20 * np.log10(np.sqrt(np.mean(ring**2))) - tone_db) < 8


@pytest.mark.parametrize("codec", sorted(WEIGHTS))
def test_every_codec_keeps_the_times_of_the_truth(codec: str) -> None:
    sound = np.concatenate([sounds.silence(1000), sounds.tone([425], 1000, -10), sounds.silence(500)])
    recording = decode(encoded(sound[:, None], codec), codec)
    heard = np.abs(recording.channels[0].astype(float)) > 3000
    per_ms = recording.rate_hz / 1000
    delay = DELAYS_MS.get(codec, 0.0)
    assert np.flatnonzero(heard)[0] / per_ms - delay == pytest.approx(1000, abs=15)
    assert np.flatnonzero(heard)[-1] / per_ms - delay == pytest.approx(2000, abs=15)


# The scorer


def test_the_script_counts_plain_ringing() -> None:
    ringing = sounds.cadenced([425], (1500, 3500), 4, -10)
    assert baseline.count_rings((ringing * 32767).astype(np.int16), sounds.RATE_HZ) == 4


def test_a_plain_call_is_scored_against_its_truth(calls: list[tuple[Truth, Sound]]) -> None:
    truth = next(truth for truth, _ in calls if truth.case == "plain")
    result = scored(truth.seed)
    assert not result.error
    assert (result.seed, result.ring_count) == (truth.seed, len(truth.rings))
    assert result.exact
    assert result.end_error_ms == pytest.approx(0, abs=60)


def test_counts_are_summed_by_what_they_are() -> None:
    rows = [
        row(),
        row(counted=2, confidence=0.95),
        row(counted=4, confidence=0.4, baseline=3),
        row(ring_count=None, case="custom_ringback", confidence=0.4),
        row(error="not decoded"),
    ]
    assert Exactness.of(rows) == Exactness(calls=3, exact=1, sure=2, sure_exact=1, baseline=1)
    assert printed(rows, "Exact counts by country")["MA"] == ["3", "1", "33.33", "66.67", "50.00", "33.33"]


def test_false_rings_are_counted_by_the_hour() -> None:
    silent = row(case="music", ending="-", ring_count=0, counted=0, seconds=1800.0)
    rows = [silent, dataclasses.replace(silent, counted=1, confidence=0.5)]
    assert printed(rows, "Rings counted where none is")["music"] == ["2", "1.00", "1", "10.0", "0"]


def test_only_a_doubted_count_is_right_for_a_custom_ringback() -> None:
    custom = row(case="custom_ringback", ring_count=None, counted=0)
    rows = [dataclasses.replace(custom, confidence=stated) for stated in (0.4, 0.5, 0.99, 0.4)]
    assert printed(rows, "Custom ringback (music)") == {
        "undetermined (right)": ["3", "75.00"],
        "a sure zero": ["1", "25.00"],
        "sure rings": ["0", "0.00"],
    }


def test_a_confidence_is_held_against_how_often_it_is_right() -> None:
    rows = [row(confidence=0.99), row(confidence=0.98, counted=1), row(confidence=0.3, counted=1)]
    found = printed(rows, "Is the confidence of a count true? (a custom ringback is never right)")
    assert found == {"0.00 to 0.50": ["1", "30.0", "0.00"], "0.98 to 1.00": ["2", "98.5", "50.00"]}


def test_scored_calls_are_kept_and_not_scored_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rings.jsonl"
    append(path, ROW)
    assert load(path) == [ROW]
    assert main(["--first", "1", "--calls", "1", "--results", str(path)]) == 0
    assert load(path) == [ROW]
    assert "seeds 1 to 1 (development), country told" in capsys.readouterr().out


def test_the_final_seeds_are_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rings.jsonl"
    append(path, dataclasses.replace(ROW, seed=FINAL_FIRST))
    assert main(["--calls", "1", "--final", "--results", str(path)]) == 0
    assert "seeds 2,000,000 to 2,000,000 (final)" in capsys.readouterr().out


def test_one_call_can_be_written_and_heard_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "call.wav"
    assert main(["--seed", "0", "--write", str(path)]) == 0
    truth, _ = make_call(0)
    assert repr(truth) in capsys.readouterr().out
    assert decode(path.read_bytes(), "call").duration_ms == pytest.approx(truth.duration_ms, abs=80)
