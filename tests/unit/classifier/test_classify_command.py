"""`ringtrue classify`: texts and files in, outcomes with cited words out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ringtrue.errors import WrongUse
from ringtrue.messages import Answer, Shown, Span, Word
from services.classifier import classifying
from services.classifier.commands import app
from services.classifier.documents import place
from services.classifier.engine import Classification, Transcript

REFUSED = "bonjour je ne veux plus de la ligne merci"
FACTS = ("reached", "reached_by", "appointment", "appointment_agreed", "reason", "no_more_calls", "language")
ABSENT = "je ne suis pas à la maison venez demain"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def classify(*arguments: str, stdin: str | bytes = "") -> Result:
    """Runs the command; what it raises on purpose passes."""
    result = CliRunner().invoke(app, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines(*arguments: str, stdin: str | bytes = "", exit_code: int = 0) -> list[dict[str, Any]]:
    """The lines of JSON that it prints."""
    result = classify("--json", *arguments, stdin=stdin)
    assert result.exit_code == exit_code
    return [json.loads(line) for line in result.stdout.splitlines()]


def words(text: str, start_ms: int = 0, channel: int = 0) -> list[dict[str, object]]:
    """Words as `ringtrue transcribe --json` prints them."""
    return [
        {
            "text": word,
            "start_ms": start_ms + 500 * n,
            "end_ms": start_ms + 500 * n + 400,
            "confidence": 0.9,
            "channel": channel,
        }
        for n, word in enumerate(text.split())
    ]


def test_a_text_gets_one_line_with_every_field_that_programs_rely_on() -> None:
    (line,) = lines(REFUSED)
    assert line == {
        "outcome": 1,
        "outcomes": {"ACQUISITION": 1, "SAV": 1},
        "label": "Client refuse installation",
        "behaviour": 1,
        "confidence": line["confidence"],
        "cited": [{"text": "ne veux plus de la ligne", "start_word": 2, "end_word": 8}],
        "facts": line["facts"],
        "engine": "embedded",
        "model": None,
        "prompt": None,
    }
    assert 0.5 < line["confidence"] <= 1
    assert tuple(line["facts"]) == FACTS


def test_the_type_decides_which_answer_stands_in_front_and_sav_does_where_none_is_given() -> None:
    assert [lines(ABSENT, *kind)[0]["outcome"] for kind in ((), ("--type", "SAV"), ("--type", "acquisition"))] == [
        6,
        6,
        2,
    ]
    assert lines(ABSENT, "--type", "ACQUISITION")[0]["outcomes"] == {"ACQUISITION": 2, "SAV": 6}


def test_labels_are_in_the_language_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTRUE_LANGUAGE", "en")
    assert lines(ABSENT)[0]["label"] == "Client not at home"


def test_each_line_of_standard_input_is_one_text_and_an_empty_one_too() -> None:
    assert [line["outcome"] for line in lines("-", stdin=f"{REFUSED}\n\n{ABSENT}\r\nallô\u2028oui")] == [1, 0, 6, 3]
    assert lines("-", stdin="") == []
    assert len(lines("-", stdin="allô\n" * 150)) == 150


def test_bytes_of_standard_input_that_are_no_text_do_not_end_it() -> None:
    assert [line["outcome"] for line in lines("-", stdin=b"\xff\xfe\n" + REFUSED.encode())] == [0, 1]


def test_files_are_read_by_their_kind(folder: Path) -> None:
    (folder / "one.txt").write_text("\ufeff" + REFUSED.replace(" ", "\n", 3) + "\n", encoding="utf-8")
    (folder / "two.jsonl").write_text(
        "\n".join([json.dumps({"id": 1, "text": ABSENT}), "", json.dumps({"text": ""})]), encoding="utf-8"
    )
    assert [line["outcome"] for line in lines("one.txt", "two.jsonl")] == [1, 6, 0]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_transcript_is_read_with_its_words(folder: Path, indent: int | None) -> None:
    heard = {"file": "a.wav", "text": "?", "words": words(ABSENT, start_ms=7000), "error": None}
    (folder / "a.json").write_text(json.dumps(heard, indent=indent), encoding="utf-8")
    (line,) = lines("a.json")
    assert (line["outcome"], line["cited"]) == (
        6,
        [{"text": "ne suis pas à la maison", "start_word": 1, "end_word": 7}],
    )


def test_several_transcripts_in_one_json_file_are_its_lines(folder: Path) -> None:
    heard = [{"text": "", "words": [], "error": "no audio in it"}, {"text": REFUSED, "words": words(REFUSED)}]
    (folder / "calls.json").write_text("".join(json.dumps(one) + "\n" for one in heard), encoding="utf-8")
    failed, fine = lines("calls.json", exit_code=1)
    assert (failed["outcome"], failed["behaviour"], failed["error"]) == (9, 2, "no audio in it")
    assert (fine["outcome"], "error" in fine) == (1, False)


def test_a_transcript_that_is_not_whole_is_classified_and_needs_a_look(folder: Path) -> None:
    (folder / "part.jsonl").write_text(json.dumps({"text": REFUSED, "error": "1 of 2 parts failed"}), encoding="utf-8")
    (line,) = lines("part.jsonl", exit_code=1)
    assert (line["outcome"], line["error"]) == (1, "1 of 2 parts failed")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "Invalid JSON"),
        (b'{"txt": "oui"}', "an object with `text` is expected"),
        (b'{"text": 3}', "text: Input should be a valid string"),
        (b'{"words": [{"text": "oui"}]}', "words.0.start_ms: "),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"text": "\\ud800"}', "Invalid JSON"),
    ],
)
def test_a_line_that_is_no_transcript_is_told_in_its_place(folder: Path, content: bytes, problem: str) -> None:
    (folder / "bad.jsonl").write_bytes(content + b"\n" + json.dumps({"text": REFUSED}).encode())
    bad, fine = lines("bad.jsonl", exit_code=1)
    assert problem in bad["error"]
    assert (bad["outcome"], fine["outcome"]) == (9, 1)


def test_what_is_no_file_and_no_text_is_told_for_itself(folder: Path) -> None:
    (folder / "call.wav").write_bytes(b"RIFF\xff\xff")
    (folder / "calls").mkdir()
    result = classify("call.wav", "calls", "no.txt", "oui", REFUSED)
    assert result.exit_code == 1
    assert "call.wav: it is no text in UTF-8; of a recording, `ringtrue transcribe --json` makes one" in result.stderr
    assert "calls: it is a folder" in result.stderr
    assert "no.txt: there is no such file" in result.stderr
    assert "oui: there is no such file; a text of one word must be the only one" in result.stderr
    assert "1 Client refuse installation" in result.stdout


def test_one_word_alone_is_a_text_unless_it_is_called_like_a_file() -> None:
    assert lines("allô")[0]["outcome"] == 3
    assert lines("alo.txt", exit_code=1)[0]["error"] == "there is no such file"


@pytest.mark.parametrize("text", ["oui " * 5_000, "\0 \x1b[31m oui", "\udcff oui allô"])
def test_any_text_of_the_command_line_gets_an_answer(text: str) -> None:
    assert len(lines(text)) == 1


def test_people_see_labels_confidence_and_quoted_words() -> None:
    shown = [" ".join(line.split()) for line in classify(ABSENT).stdout.splitlines()]
    assert 'SAV 6 Client absent confidence 0.95 "ne suis pas à la maison"' in shown
    assert 'ACQUISITION 2 Client reporte RDV confidence 0.95 "venez demain"' in shown
    assert "behaviour 1 good or neutral" in shown


def test_a_type_or_an_engine_that_is_not_there_is_wrong_use() -> None:
    with pytest.raises(WrongUse, match=r"--type FTTH: ACQUISITION, SAV are allowed"):
        classify("--type", "FTTH", "allô")
    with pytest.raises(WrongUse, match=r"--engine 'oracle' is not known; there are embedded"):
        classify("--engine", "oracle", "allô")


class Observant:
    """Shows facts of any text of three words or more."""

    name = "observant"
    version = "1"

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        return [self._classify(transcript.words) for transcript in transcripts]

    def _classify(self, said: Sequence[Word]) -> Classification:
        span = Span(start_ms=said[1].start_ms, end_ms=said[2].end_ms, text=f"{said[1].text} {said[2].text}")
        shown = Shown(reached="other_person", reached_by=span, appointment=span, appointment_agreed=False)
        answer = Answer(outcome=4, score=0.75, cited=(span,))
        return Classification(answer, answer, 0, shown=shown, model="m@1", prompt="p-2")


def test_facts_have_their_words_and_the_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifying, "load_engine", lambda _, **__: Observant())
    (line,) = lines("je suis sa soeur")
    where = {"text": "suis sa", "start_word": 1, "end_word": 3}
    assert (line["engine"], line["model"], line["prompt"], line["behaviour"]) == ("observant", "m@1", "p-2", 0)
    assert line["facts"] | {"reached": "other_person", "reached_by": where, "appointment": where} == line["facts"]
    assert (line["facts"]["appointment_agreed"], line["facts"]["reason"]) == (False, None)
    shown = [" ".join(line.split()) for line in classify("je suis sa soeur").stdout.splitlines()]
    assert 'reached other person "suis sa"' in shown
    assert 'appointment not agreed to "suis sa"' in shown
    assert "behaviour 0 rude or aggressive" in shown


def test_words_that_were_said_twice_are_found_where_they_were_cited() -> None:
    said = Transcript.of_text("non non je refuse non non je refuse").words
    span = Span(start_ms=said[5].start_ms, end_ms=said[7].end_ms, text="non je refuse")
    assert place(span, said) == {"text": "non je refuse", "start_word": 5, "end_word": 8}


def test_words_that_are_none_of_the_text_have_no_place() -> None:
    said = Transcript.of_text("oui bonjour").words
    assert place(Span(start_ms=0, end_ms=1, text="non"), said) == {"text": "non", "start_word": None, "end_word": None}


def test_the_help_teaches_by_examples() -> None:
    shown = classify("--help").stdout
    assert "embedded" in shown
    assert "--type SAV" in shown
