"""Ringtrue Outcomes: what is read, what is counted, and what is never listed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.table import Table

from benchmarks.outcomes import report, spoken
from benchmarks.outcomes.__main__ import main
from benchmarks.outcomes.corpus import FOLDER, Case, CorpusError, load_part
from benchmarks.outcomes.scoring import Confusion, Scored, Share, score
from ringtrue.messages import Answer, Shown, Span
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import NOT_CLASSIFIED, Classification, Transcript

LINE: dict[str, Any] = {"id": "a", "text": "oui", "acquisition": 4, "sav": 6, "behaviour": 1}


def case(**changes: Any) -> Case:
    return Case.model_validate(LINE | changes)


def answer(outcome: int) -> Answer:
    return Answer(outcome=outcome, score=0.9, cited=())


def scored(truth: int, said: int, *, behaviour: int = 1, told: Shown | None = None, **labels: Any) -> Scored:
    """A text that shows one outcome for both types and was answered with another."""
    return Scored(
        case(acquisition=truth, sav=truth, **labels),
        Classification(answer(said), answer(said), behaviour, shown=told),
    )


def written(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def rows_of(tables: Sequence[Table], title: str) -> list[list[str]]:
    (made,) = [made for made in tables if made.title == title]
    return [list(map(str, row)) for row in zip(*(column.cells for column in made.columns), strict=True)]


# Texts


def test_a_text_is_read_with_what_it_shows(tmp_path: Path) -> None:
    line = LINE | {"hard": "negation", "shown": {"reached": "client", "reason": "cher"}, "note": "more is let pass"}
    part = load_part(written(tmp_path / "fr_dev.jsonl", LINE | {"id": "b"}, "", line))
    plain, hard = part.cases
    assert (part.name, part.language, part.is_final) == ("fr_dev", "fr", False)
    assert (plain.id, plain.acquisition, plain.sav, plain.hard, plain.shown) == ("b", 4, 6, (), None)
    assert hard.hard == ("negation",)
    assert hard.shown is not None
    assert (hard.shown.reached, hard.shown.reason, hard.shown.appointment) == ("client", "cher", None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (LINE | {"acquisition": 6}, "acquisition: Value error, 0, 1, 2, 3, 4 are allowed"),
        (LINE | {"sav": 9}, "sav: Value error, 0, 1, 2, 3, 4, 5, 6, 7 are allowed"),
        (LINE | {"behaviour": 2}, "behaviour: Input should be less than or equal to 1"),
        (LINE | {"acquisition": "4"}, "acquisition: Input should be a valid integer"),
        ({"id": "a"}, "text: Field required"),
        ('{"id": ', "Invalid JSON"),
        (LINE | {"id": "first"}, "the id 'first' is that of line 1, too"),
    ],
)
def test_a_wrong_line_is_named_by_file_line_and_field(tmp_path: Path, line: object, problem: str) -> None:
    path = written(tmp_path / "fr_dev.jsonl", LINE | {"id": "first"}, "", line)
    with pytest.raises(CorpusError) as raised:
        load_part(path)
    assert str(raised.value).startswith(f"{path}:3: {problem}")


def test_a_file_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no\.jsonl: No such file"):
        load_part(tmp_path / "no.jsonl")
    with pytest.raises(CorpusError, match=r"fr_dev\.jsonl: there is no text in it"):
        load_part(written(tmp_path / "fr_dev.jsonl", ""))


def test_no_text_of_the_projects_corpus_stands_in_two_parts() -> None:
    parts = [load_part(path) for path in sorted(FOLDER.glob("*_*.jsonl"))]
    of_ids = [one.id for part in parts for one in part.cases]
    assert len(of_ids) == len(set(of_ids))
    for final in (part for part in parts if part.is_final):
        known = {one.text for part in parts if not part.is_final for one in part.cases if len(one.text.split()) > 3}
        assert not known & {one.text for one in final.cases}


# Counts


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 27.75), (10, 10, 72.25, 100.0), (5, 10, 23.66, 76.34), (95, 100, 88.82, 97.85), (0, 0, 0.0, 100.0)],
)
def test_intervals_are_wilsons(hits: int, of: int, low: float, high: float) -> None:
    assert Share(hits, of).interval == pytest.approx((low, high), abs=0.005)


def test_shares_are_counted() -> None:
    assert Share.that([True, False, True]) == Share(2, 3)
    assert Share(2, 3).percent == pytest.approx(66.67, abs=0.01)
    assert Share(0, 0).percent == 0.0


def test_a_confusion_counts_by_truth_and_answer() -> None:
    confusion = Confusion([(1, 1), (1, 1), (1, 2), (1, 9), (2, 2), (4, 2)], "ACQUISITION")
    assert confusion.codes == [0, 1, 2, 3, 4]
    assert (confusion.recall(1), confusion.precision(1)) == (Share(2, 4), Share(2, 2))
    assert (confusion.recall(2), confusion.precision(2)) == (Share(1, 1), Share(1, 3))
    assert (confusion.right, confusion.not_classified) == (Share(3, 6), Share(1, 6))


def test_confident_mistakes_are_those_across_unreachable_that_were_answered() -> None:
    pairs = [(3, 3), (3, 9), (3, 0), (3, 2), (0, 3), (1, 3), (1, 2), (9 - 2, 9)]
    confusion = Confusion(pairs, "SAV")
    assert (confusion.wrongly_unreachable, confusion.wrongly_reached, confusion.with_silence) == (2, 2, 2)
    assert confusion.confident_mistakes == Share(4, 8)


def test_an_engine_is_given_each_text_and_a_failed_call_is_not_classified() -> None:
    cases = [case(id=str(number), text="je refuse") for number in range(130)]
    transcripts = [None if number == 70 else Transcript.of_text("oui allô") for number in range(130)]
    told = list[int]()
    rows = score(EmbeddedEngine(), cases, transcripts, told.append)
    assert [row.case.id for row in rows] == [one.id for one in cases]
    assert [row.answer("SAV") for row in rows] == [9 if number == 70 else 3 for number in range(130)]
    assert (rows[70].said, rows[70].heard, rows[0].heard) == (NOT_CLASSIFIED, None, "oui allô")
    assert told == [64, 128, 130]
    assert [row.answer("SAV") for row in score(EmbeddedEngine(), cases[:1])] == [1]


# Tables


def test_the_tables_count_what_was_scored() -> None:
    rows = [
        scored(3, 3, told=Shown(reached="voicemail"), shown={"reached": "voicemail"}),
        scored(3, 9, hard=["absent", "greeting"]),
        scored(1, 2, behaviour=0, hard="absent"),
    ]
    made = report.tables({"fr_dev": rows}, "a caption")
    assert rows_of(made, "Right answers")[:2] == [
        ["fr_dev", "ACQUISITION", "3", "33.3", "6.1 to 79.2", "33.3", "50.0"],
        ["fr_dev", "SAV", "3", "33.3", "6.1 to 79.2", "33.3", "50.0"],
    ]
    assert rows_of(made, "fr_dev, ACQUISITION: what is answered for what is shown") == [
        ["1 Client refuses the installation", "", "", "1", "", "", "", "1"],
        ["3 Client unreachable", "", "", "", "1", "", "1", "2"],
    ]
    assert rows_of(made, "fr_dev, SAV: by outcome")[-1] == [
        "3 Client unreachable",
        *("2", "50.0", "9.5 to 90.5", "1", "100.0", "20.7 to 100.0"),
    ]
    assert [row[1:3] for row in rows_of(made, "Right answers by what is hard")] == [
        ["-", "1"],
        ["absent", "2"],
        ["greeting", "1"],
    ]


def test_facts_are_right_when_their_words_meet_those_of_the_label() -> None:
    labels = {"reached": "client", "appointment": "demain matin", "appointment_agreed": True}
    span = Span(start_ms=0, end_ms=1, text="demain vers dix heures")
    rows = [
        scored(2, 2, told=Shown(reached="client", appointment=span, appointment_agreed=True), shown=labels),
        scored(2, 2, told=Shown(reached="voicemail", reason=span), shown=labels),
        scored(2, 2, shown=labels),
    ]
    made = report.tables({"fr_dev": rows}, "a caption")
    assert rows_of(made, "Who was reached")[-1] == ["fr_dev", "all", "3", "33.3", "6.1 to 79.2", "33.3"]
    assert [row[1:4] + row[5:7] for row in rows_of(made, "Facts with their words")] == [
        ["appointment", "3", "33.3", "1", "100.0"],
        ["reason", "0", "", "1", "0.0"],
        ["whether the client agreed", "3", "33.3", "", ""],
    ]


# Spoken texts


def test_what_was_transcribed_is_kept_and_a_failed_recording_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = list[list[Path]]()

    def transcribe(recordings: Sequence[Path]) -> list[bytes]:
        runs.append(list(recordings))
        words = [{"text": "oui", "start_ms": 700, "end_ms": 900, "confidence": 1.0, "channel": 0}]
        failed = {"words": [], "error": "no audio in it"}
        heard = [{"words": words, "error": None}, failed, {"words": words, "error": "1 of 2 parts failed"}]
        return [json.dumps(line).encode() for line in heard[: len(recordings)]]

    monkeypatch.setattr(spoken, "_transcribe", transcribe)
    silent = [case(id=name, text="") for name in ("a", "b", "c")]
    first = spoken.transcribed(silent, tmp_path, lambda _: None)
    assert [one and [word.text for word in one.words] for one in first] == [["oui"], None, ["oui"]]
    assert spoken.transcribed(silent, tmp_path, lambda _: None) == first
    spoken.transcribed([*silent, case(id="d", text="")], tmp_path, lambda _: None)
    assert [len(recordings) for recordings in runs] == [3, 1]
    assert all(path.read_bytes().startswith(b"RIFF") for run in runs for path in run)


def test_a_text_that_says_nothing_is_the_line_alone() -> None:
    sound = spoken.speak("  ", "seed")
    assert 0 < np.abs(sound).max() < 0.02
    np.testing.assert_array_equal(sound, spoken.speak("", "seed"))


# The command


def test_an_operators_own_texts_are_evaluated_and_the_wrong_ones_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "mine.jsonl", LINE | {"text": "je ne veux plus de la ligne"})
    assert main([str(path), "--errors", "5"]) == 0
    out = capsys.readouterr().out
    assert "| mine | ACQUISITION   |     1 |     0.0 |" in out
    assert "a: 4/6/1 shown, 1/1/1 answered" in out
    assert "cited: ne veux plus de la ligne" in out


def test_texts_that_are_kept_for_the_final_figure_are_not_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "fr_final.jsonl", LINE)
    assert main([str(path), "--errors", "5"]) == 2
    assert "--errors lists no texts of fr_final" in capsys.readouterr().err
    assert main([str(path), "--errors", "5", "--i-know-this-spends-the-final-part"]) == 0
    assert main([str(path)]) == 0


def test_what_cannot_be_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "ary_dev.jsonl", LINE)
    assert main([str(path), "--engine", "oracle"]) == 2
    assert main([str(path), "--through-asr"]) == 2
    told = capsys.readouterr().err
    assert "--engine oracle: " in told
    assert "espeak-ng" in told or "speaks French texts" in told


def test_the_time_of_an_engine_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(written(tmp_path / "fr_dev.jsonl", LINE)), "--throughput", "--seconds", "0.01"]) == 0
    assert "calls/s of a core" in capsys.readouterr().out
