"""The frame of `ringtrue transcribe`: what it refuses before anything runs, and what is wrong with single files."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ringtrue.cli.app import command_line
from ringtrue.errors import WrongUse


@pytest.fixture(autouse=True)
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, with files that nobody will get to transcribe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("a.wav", "b.wav"):
        Path(name).write_bytes(b"")
    Path("calls").mkdir()


def transcribe(*arguments: str) -> Result:
    """Runs the command. What it raises on purpose passes: the frame of the command line turns it into exit code 2."""
    result = CliRunner().invoke(command_line("transcribe"), ["transcribe", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav", "--engine", "nobody"], r"--engine 'nobody' is not known; there are ctc, stub"),
        (["a.wav", "--format", "doc"], r"--format 'doc' is not known; text, srt, vtt, json are"),
        (["a.wav", "--json", "--format", "srt"], r"only one of them"),
        (
            ["a.wav", "--engine", "stub", "--language", "French"],
            r"--language 'French': a code of ISO 639, such as fr or ary",
        ),
        (["a.wav", "--engine", "stub", "--device", "tpu"], r"--device 'tpu': auto, cpu or cuda:N"),
        (["a.wav", "b.wav", "--format", "srt"], r"subtitles of 2 recordings are 2 files: give --output-dir DIR"),
        (["a.wav", "b.wav", "--format", "vtt"], r"subtitles of 2 recordings are 2 files: give --output-dir DIR"),
        (["a.wav", "--json", "--output-dir", "out"], r"one line per file: redirect it"),
        (["a.wav", "--engine", "stub", "--output-dir", "b.wav/out"], r"--output-dir b.wav/out: Not a directory"),
    ],
)
def test_wrong_use_is_told_before_anything_runs(arguments: list[str], message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        transcribe(*arguments)


def test_an_engine_from_the_environment_that_nobody_offers_is_named_by_its_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RINGTRUE_ASR__ENGINE", "nobody")
    with pytest.raises(WrongUse, match="RINGTRUE_ASR__ENGINE 'nobody' is not known"):
        transcribe("a.wav")


def test_files_that_are_not_there_are_told_each_for_itself() -> None:
    result = transcribe("no.wav", "calls", "--engine", "stub")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no.wav: there is no such file" in result.stderr
    assert "calls: it is a folder; name the recordings in it" in result.stderr


def test_files_that_are_not_there_have_their_line_of_json() -> None:
    result = transcribe("no.wav", "calls", "--engine", "stub", "--json")
    assert result.exit_code == 1
    assert [json.loads(line)["error"] for line in result.stdout.splitlines()] == [
        "there is no such file",
        "it is a folder; name the recordings in it, such as FOLDER/*.wav",
    ]


def test_the_help_names_the_engines_and_teaches_by_examples() -> None:
    shown = transcribe("--help").stdout
    assert "ctc" in shown
    assert "ringtrue transcribe calls/*.ogg --format vtt --output-dir subtitles" in shown
