"""The classifier's worker with a language model: an outage of any length loses nothing and accuses nobody."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ringtrue.errors import Away
from ringtrue.messages import CallClassified, CallTranscribed
from ringtrue.streaming.topics import CALLS_CLASSIFIED, CALLS_TRANSCRIBED
from services.classifier import worker as classifier
from services.classifier.engine import Transcript
from services.classifier.models.engine import LanguageModelEngine, Options
from services.classifier.models.port import Request
from services.classifier.worker import ClassifierWorker
from tests.unit.classifier.models.scripted import Says, Scripted, answer, words_of
from tests.unit.workers.bench import Bench
from tests.unit.workers.conftest import MakeBench

AT_HOME = "oui bonjour monsieur l'immeuble bleu près de la mosquée"

MakeEngine = Callable[..., LanguageModelEngine]


class Clock:
    """UTC milliseconds, set by hand; or moving on with every look."""

    now_ms = 1_800_000_000_000
    step_ms = 0

    def __call__(self) -> int:
        self.now_ms += self.step_ms
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_engine(tmp_path: Path, clock: Clock) -> Iterator[MakeEngine]:
    with ExitStack() as stack:

        def make(model: Scripted, **options: Any) -> LanguageModelEngine:
            file = tmp_path / "models.sqlite"
            zone = ZoneInfo("Africa/Casablanca")
            engine = LanguageModelEngine(
                model.name, model.model, lambda _: model, Options(**options), file=file, zone=zone, clock=clock
            )
            stack.enter_context(closing(engine))
            return engine

        yield make


def about(request: Request) -> str:
    """A right answer to any request."""
    words = words_of(request)
    return answer(" ".join(words), 4, " ".join(words[:2]))


def transcribed(name: str, run: int = 3) -> CallTranscribed:
    text = f"{AT_HOME} rouge{name} vert{name}"
    return CallTranscribed(
        call_id=f"recordings/{name}",
        run=run,
        status="complete",
        text=text,
        words=Transcript.of_text(text).words,
        parts_total=1,
        parts_failed=0,
        model="demo",
        model_revision="abc",
        event_time_ms=0,
    )


def classified(bench: Bench) -> list[tuple[str, int, int, int]]:
    """What was sent: call, run, outcome, behaviour."""
    sent = bench.sent(CALLS_CLASSIFIED, CallClassified)
    return sorted((one.call_id[-1], one.run, one.sav.outcome, one.behaviour) for one in sent)


def test_an_outage_is_waited_out_and_every_call_is_answered_once(
    make_bench: MakeBench, make_engine: MakeEngine, clock: Clock
) -> None:
    def recovers(request: Request) -> Says:
        return Away("no route to the model") if len(model.asked) < 12 else about(request)

    clock.step_ms = 2000
    model = Scripted(recovers)
    bench = make_bench(ClassifierWorker(make_engine(model, concurrency=1)))
    bench.feed(CALLS_TRANSCRIBED, *(transcribed(name) for name in "abcdef"))
    bench.run()
    assert classified(bench) == [(name, 3, 4, 1) for name in "abcdef"]
    assert bench.refusals() == []
    assert bench.state() == {}


def test_calls_that_went_on_without_an_answer_are_taken_up_again_when_the_model_is_back(
    make_bench: MakeBench, make_engine: MakeEngine, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Request) -> Says:
        clock.now_ms += 60_000
        return Away("no route to the model")

    monkeypatch.setattr(classifier, "_LOOK_AGAIN_MS", (1, 1))
    model = Scripted(away)
    bench = make_bench(ClassifierWorker(make_engine(model, concurrency=1, give_up_after_s=90)))
    bench.feed(CALLS_TRANSCRIBED, transcribed("a"), transcribed("b"))
    bench.run()
    assert classified(bench) == [("a", 3, 9, 2), ("b", 3, 9, 2)]
    assert sorted(bench.state()) == ["recordings/a", "recordings/b"]
    first = bench.sent(CALLS_CLASSIFIED, CallClassified)[0]
    assert (first.status, first.failure, first.engine) == ("complete", None, "openai")

    bench.worker = ClassifierWorker(make_engine(model, concurrency=1, give_up_after_s=90))
    bench.run()
    assert len(classified(bench)) == 2
    assert len(bench.state()) == 2

    model.says(about)
    clock.now_ms += 3_600_000
    bench.worker = ClassifierWorker(make_engine(model, concurrency=1, give_up_after_s=90))
    bench.run()
    bench.run()
    assert classified(bench) == [("a", 3, 9, 2), ("a", 4, 4, 1), ("b", 3, 9, 2), ("b", 4, 4, 1)]
    assert [one.run for one in bench.sent(CALLS_TRANSCRIBED, CallTranscribed)] == [3, 3, 4, 4]
    assert bench.state() == {}


def test_a_newer_run_that_is_answered_ends_the_waiting(
    make_bench: MakeBench, make_engine: MakeEngine, clock: Clock
) -> None:
    def away(_: Request) -> Says:
        clock.now_ms += 60_000
        return Away("no route to the model")

    model = Scripted(away)
    bench = make_bench(ClassifierWorker(make_engine(model, concurrency=1, give_up_after_s=30)))
    bench.feed(CALLS_TRANSCRIBED, transcribed("a", 7))
    bench.run()
    assert list(bench.state()) == ["recordings/a"]
    model.says(about)
    clock.now_ms += 3_600_000
    bench.feed(CALLS_TRANSCRIBED, transcribed("a", 9))
    bench.run()
    assert classified(bench) == [("a", 7, 9, 2), ("a", 9, 4, 1)]
    assert bench.state() == {}


def test_what_was_answered_of_a_batch_is_not_paid_again_after_a_restart(
    make_bench: MakeBench, make_engine: MakeEngine
) -> None:
    model = Scripted(about, about, about, RuntimeError("killed"), about)
    bench = make_bench(ClassifierWorker(make_engine(model, concurrency=1)))
    bench.feed(CALLS_TRANSCRIBED, *(transcribed(name) for name in "abcdef"))
    with pytest.raises(RuntimeError, match="killed"):
        bench.run()
    bench.worker = ClassifierWorker(make_engine(model, concurrency=1))
    bench.run()
    assert classified(bench) == [(name, 3, 4, 1) for name in "abcdef"]
    assert len(model.asked) == 7
