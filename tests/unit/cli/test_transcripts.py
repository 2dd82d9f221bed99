"""What is given for a file: exactly the promised keys, what is missing said, no name for two files."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from ringtrue.cli.transcripts import Transcript, file_names, transcript_of
from ringtrue.database import open_database, reading, upgrade
from ringtrue.messages import Failure
from tests.unit.archive import made
from tests.unit.archive.made import store

FILE = Path("calls/monday/Appel de 9 h.wav")
KEY = "recordings/a.wav"
REFUSED = Failure(
    stage="asr", reason="not_flac", message="1 of 2 parts could not be transcribed: part 0 of recordings/a"
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    upgrade(engine)
    yield engine
    engine.dispose()


def told(engine: sa.Engine, *messages: object, key: str = KEY) -> Transcript:
    store(engine, *messages)
    with reading(engine) as connection:
        return transcript_of(connection, FILE, key)


def test_a_line_has_exactly_the_promised_keys(engine: sa.Engine) -> None:
    transcript = told(engine, made.registered(), made.transcribed(language="fr"), made.classified())
    line = transcript.line()
    assert line.endswith("\n")
    assert line.count("\n") == 1
    document = json.loads(line)
    assert document == {
        "file": str(FILE),
        "text": "allô oui",
        "words": [
            {"text": "allô", "start_ms": 21_000, "end_ms": 21_500, "confidence": 0.9, "channel": 0},
            {"text": "oui", "start_ms": 22_000, "end_ms": 22_500, "confidence": 0.9, "channel": 0},
        ],
        "language": "fr",
        "model": "demo@m1",
        "duration_ms": made.heard().duration_ms,
        "error": None,
    }
    assert list(document) == ["file", "text", "words", "language", "model", "duration_ms", "error"]


def test_a_call_of_which_a_part_failed_gives_its_text_and_says_what_is_missing(engine: sa.Engine) -> None:
    said, shown = (replace(one, status="partial", failure=REFUSED) for one in (made.transcribed(), made.classified()))
    transcript = told(engine, made.registered(), said, shown)
    assert transcript.text == "allô oui"
    assert transcript.error == f"1 of 2 parts could not be transcribed: part 0 of {FILE.name}"


def test_a_recording_that_could_not_be_heard_says_why_under_the_name_of_its_file(engine: sa.Engine) -> None:
    damaged = Failure(stage="ingest-segment", reason="undecodable", message="a.wav: it is cut off")
    unheard = replace(made.classified(), status="failed", failure=damaged, heard=None)
    transcript = told(engine, made.registered(), made.transcribed(text="", model="", status="failed"), unheard)
    assert transcript.error == "it is cut off"
    assert (transcript.text, transcript.words, transcript.model, transcript.duration_ms) == ("", (), None, None)


def test_a_file_that_is_no_recording_by_its_name_is_told_what_a_name_must_be(engine: sa.Engine) -> None:
    error = told(engine, made.dead_letter("recordings/b.txt"), key="recordings/b.txt").error
    assert error is not None
    assert ".wav" in error


def test_a_recording_that_was_refused_before_it_was_a_call_says_why(engine: sa.Engine) -> None:
    letter = made.dead_letter("recordings/a.wav", "gone", call_id="recordings/a", message="a.wav is gone")
    assert told(engine, letter).error == f"{FILE.name} is gone"


def test_several_texts_have_the_name_of_their_file_before_them() -> None:
    transcript = Transcript(FILE, text="allô\noui")
    assert transcript.written("text") == "allô\noui\n"
    assert transcript.written("text", named=True) == f"{FILE}:\nallô\noui\n"


def test_what_was_heard_commands_no_terminal() -> None:
    assert Transcript(FILE, text="oui\x1b[31m «\u00a0non\u00a0»").written("text") == "oui\ufffd[31m «\u00a0non\u00a0»\n"


def test_a_file_name_that_is_no_text_can_still_be_told() -> None:
    transcript = Transcript(Path(os.fsdecode(b"appel-\xe9.wav")))
    assert json.loads(transcript.line())["file"] == r"appel-\xe9.wav"
    transcript.line().encode()


def test_files_of_one_name_get_a_number() -> None:
    files = [Path(name) for name in ("a/call.wav", "b/call.wav", "b/CALL.mp3", "b/call-2.wav", "b/other.wav")]
    assert file_names(files, "srt") == ["call.srt", "call-2.srt", "CALL-3.srt", "call-2-2.srt", "other.srt"]
    assert file_names(files[:1], "text") == ["call.txt"]
