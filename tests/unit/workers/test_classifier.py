"""The classifier's worker: each transcript is answered for its run, whatever happened to the call."""

from collections.abc import Sequence

import pytest

from ringtrue.messages import Answer, CallClassified, CallTranscribed, Failure, Word
from ringtrue.streaming.topics import CALLS_CLASSIFIED, CALLS_TRANSCRIBED
from services.classifier.engine import Classification, Transcript
from services.classifier.worker import ClassifierWorker
from tests.unit.workers.bench import Bench
from tests.unit.workers.conftest import MakeBench

DAMAGED = Failure(stage="ingest-segment", reason="undecodable", message="no audio in it")


class Counter:
    """Answers with the number of words."""

    name = "counter"
    version = "7"

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        return [self._classify(len(transcript.words)) for transcript in transcripts]

    def _classify(self, words: int) -> Classification:
        answer = Answer(outcome=words, score=0.5, cited=())
        return Classification(acquisition=answer, sav=answer, behaviour=1)


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    return make_bench(ClassifierWorker(Counter()))


def transcribed(name: str, words: int, status: str = "complete") -> CallTranscribed:
    said = tuple(Word(text="oui", start_ms=0, end_ms=1, confidence=1.0, channel=0) for _ in range(words))
    return CallTranscribed(
        call_id=f"recordings/{name}",
        run=3,
        status=status,
        failure=None if status == "complete" else DAMAGED,
        text="oui " * words,
        words=said,
        parts_total=1,
        parts_failed=0,
        model="demo",
        model_revision="abc",
        event_time_ms=0,
    )


def test_every_call_of_a_batch_gets_its_own_answer_and_failed_ones_none(bench: Bench) -> None:
    bench.feed(
        CALLS_TRANSCRIBED,
        transcribed("a", 1),
        transcribed("b", 0, "failed"),
        transcribed("c", 3, "partial"),
        transcribed("d", 2),
    )
    bench.run()
    assert len(bench.sent(CALLS_CLASSIFIED, CallClassified)) == 4
    found = {one.call_id[-1]: one for one in bench.sent(CALLS_CLASSIFIED, CallClassified)}
    assert {name: one.acquisition.outcome for name, one in found.items()} == {"a": 1, "b": 9, "c": 3, "d": 2}
    assert {name: one.status for name, one in found.items()} == {
        "a": "complete",
        "b": "failed",
        "c": "partial",
        "d": "complete",
    }
    assert (found["b"].failure, found["b"].behaviour, found["b"].sav.outcome) == (DAMAGED, 2, 9)
    assert (found["a"].run, found["a"].engine, found["a"].engine_version) == (3, "counter", "7")
    assert found["a"].model_revision == "abc"


def test_a_transcript_whose_bytes_cannot_be_read_is_answered_by_its_headers(bench: Bench) -> None:
    bench.feed(CALLS_TRANSCRIBED, b"?", headers={"call_id": "recordings/a", "run": "3"})
    bench.feed(CALLS_TRANSCRIBED, b"?", headers={"call_id": "recordings/a", "run": "?"})
    bench.feed(CALLS_TRANSCRIBED, transcribed("b", 1))
    bench.run()
    failed, fine = bench.sent(CALLS_CLASSIFIED, CallClassified)
    assert (failed.call_id, failed.run, failed.status, failed.acquisition.outcome) == ("recordings/a", 3, "failed", 9)
    assert fine.status == "complete"
    assert bench.refusals() == ["undecodable"] * 2
