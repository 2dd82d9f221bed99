"""The engine that asks a language model: who is asked, how often, at what cost, and what comes of what goes wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY

from ringtrue.errors import Away, Misconfigured
from ringtrue.settings import ClassifierSettings
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import AsksOutside, Classification
from services.classifier.engines import load_engine
from services.classifier.models import engine as engine_module
from services.classifier.models.budget import Prices
from services.classifier.models.engine import LanguageModelEngine, Options
from services.classifier.models.port import NoAnswer, Request
from tests.unit.classifier.models.scripted import Says, Scripted, answer, call, words_of
from tests.unit.classifier.models.stub import Reply, Stub

LEXICAL = EmbeddedEngine()
ZONE = ZoneInfo("Africa/Casablanca")
AT_HOME = "oui bonjour monsieur l'immeuble bleu près de la mosquée"


class Clock:
    """UTC milliseconds, set by hand."""

    now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Engines:
    """Makes engines on one file, one after the other as after restarts."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self.clock = Clock()
        self._stack = stack

    def make(
        self, model: Scripted, open_model: Callable[[Request], Scripted] | None = None, **options: Any
    ) -> LanguageModelEngine:
        made = LanguageModelEngine(
            model.name,
            model.model,
            open_model or (lambda _: model),
            Options(**options),
            file=self.path,
            zone=ZONE,
            clock=self.clock,
        )
        self._stack.enter_context(closing(made))
        return made


@pytest.fixture(autouse=True)
def _one_lexicon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading it takes longer than most of these tests."""
    monkeypatch.setattr(engine_module, "EmbeddedEngine", lambda: LEXICAL)


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    with ExitStack() as stack:
        yield Engines(tmp_path / "models.sqlite", stack)


def about(request: Request) -> str:
    """A right answer to any request: another matter, shown by the first two words."""
    words = words_of(request)
    return answer(" ".join(words), 4, " ".join(words[:2]))


def plain_outcomes(classifications: list[Classification]) -> list[tuple[int, int, int]]:
    return [(one.acquisition.outcome, one.sav.outcome, one.behaviour) for one in classifications]


def texts(count: int) -> list[str]:
    """Different calls that the lexicon does not know."""
    return [f"{AT_HOME} numéro rouge{n} vert{n}" for n in range(count)]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_one_request_gives_both_answers_behaviour_and_facts(engines: Engines) -> None:
    text = "allô bonjour là je suis pas à la maison passez demain matin"
    words = [{"first": 10, "last": 11, "quote": "demain matin"}]
    model = Scripted(
        answer(text, 6, "je suis pas à la maison", acquisition=2, acquisition_words=words, reached="client")
    )
    [made] = engines.make(model).classify_many([call(text)])
    assert (made.acquisition.outcome, made.sav.outcome, made.behaviour) == (2, 6, 1)
    assert [span.text for span in made.sav.cited] == ["je suis pas à la maison"]
    assert made.shown is not None
    assert made.shown.reached == "client"
    assert (made.model, made.shortened, made.waits) == ("scripted-2026", False, False)
    assert made.prompt.startswith("fr-1-")
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "text", ["", "euh", "a", "euh hum j e", "allô", "allô allô allô", "oui", "le chien", "الو الو"]
)
def test_calls_of_a_few_words_are_answered_by_the_lexicon_and_never_reach_a_model(engines: Engines, text: str) -> None:
    model = Scripted(AssertionError("it was asked"))
    made = engines.make(model).classify_many([call(text)])
    assert made == LEXICAL.classify_many([call(text)])
    assert (made[0].model, made[0].prompt, made[0].shortened, model.asked) == ("", "", None, [])


@pytest.mark.parametrize(
    "bad",
    [
        "31",
        "injoignable",
        answer(AT_HOME, 4, "oui bonjour", sav=9),
        answer(AT_HOME, 4, "oui bonjour", sav_words=[]),
        answer(AT_HOME, 4, "oui bonjour", sav_words=[{"first": 50, "last": 51, "quote": "je refuse"}]),
        answer(AT_HOME, 4, "oui bonjour", sav_words=[{"first": 0, "last": 1, "quote": "je refuse"}]),
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_once_more_and_then_there_is_none(
    engines: Engines, bad: str
) -> None:
    good = answer(AT_HOME, 4, "oui bonjour")
    model = Scripted(bad, good)
    assert plain_outcomes(engines.make(model).classify_many([call(AT_HOME)])) == [(4, 4, 1)]
    assert [("note" in json.loads(request.user)) for request in model.asked] == [False, True]
    never = Scripted(bad)
    [none] = engines.make(never, cache_entries=0).classify_many([call(AT_HOME)])
    assert (none.acquisition.outcome, none.sav.outcome, none.behaviour) == (9, 9, 2)
    assert (none.shown, none.waits, none.model, len(never.asked)) == (None, False, "scripted", 2)
    assert none.prompt


def test_what_the_transport_has_no_completion_for_is_not_asked_again(engines: Engines) -> None:
    model = Scripted(NoAnswer("stopped: content_filtered"))
    assert plain_outcomes(engines.make(model).classify_many([call(AT_HOME)])) == [(9, 9, 2)]
    assert len(model.asked) == 1


def test_the_plain_form_is_two_digits_and_nothing_else(engines: Engines) -> None:
    model = Scripted("41")
    assert plain_outcomes(engines.make(model, plain=True).classify_many([call(AT_HOME)])) == [(4, 4, 1)]
    assert "deux chiffres" in model.asked[0].system
    structured = Scripted(answer(AT_HOME, 4, "oui bonjour"))
    assert plain_outcomes(engines.make(structured, plain=True, cache_entries=0).classify_many([call(AT_HOME)])) == [
        (9, 9, 2)
    ]


def test_a_call_is_paid_once_whatever_happens_to_the_process(engines: Engines) -> None:
    model = Scripted(about)
    first = engines.make(model).classify_many([call(AT_HOME), call(AT_HOME)])
    assert len(model.asked) == 1
    again = engines.make(Scripted(AssertionError("it was asked")))
    assert again.classify_many([call(AT_HOME)]) == first[:1] == first[1:]


def test_another_prompt_or_form_of_the_words_is_another_question(engines: Engines) -> None:
    text = f"{AT_HOME} au 06 12 34 56 78"
    model = Scripted(about)
    for options in ({}, {"redact": False}, {"language": "ary"}):
        engines.make(model, **options).classify_many([call(text)])
    assert len(model.asked) == 3


def test_nothing_said_stands_in_the_file(engines: Engines) -> None:
    engines.make(Scripted(about)).classify_many([call(AT_HOME)])
    for path in engines.path.parent.iterdir():
        assert b"mosqu" not in path.read_bytes()
        assert b"bonjour" not in path.read_bytes()


def test_numbers_and_addresses_do_not_leave_the_house(engines: Engines) -> None:
    model = Scripted(about)
    text = f"{AT_HOME} mon numéro c'est le 06 12 34 56 78 ou karim@exemple.ma"
    [made] = engines.make(model).classify_many([call(text)])
    sent = model.asked[0].user
    assert "12" not in words_of(model.asked[0])
    assert "karim" not in sent
    assert words_of(model.asked[0]).count("[masked]") == 6
    assert made.sav.outcome == 4
    engines.make(model, redact=False).classify_many([call(text)])
    assert "karim@exemple.ma" in words_of(model.asked[1])


def test_a_long_call_is_shortened_and_says_so_and_its_words_keep_their_numbers(engines: Engines) -> None:
    long = " ".join([*(f"mot{n}" for n in range(300)), "je ne veux plus de la ligne", *(f"fin{n}" for n in range(300))])
    model = Scripted(answer(long, 1, "je ne veux plus de la ligne"))
    [made] = engines.make(model, max_words=100).classify_many([call(long)])
    assert (made.sav.outcome, made.shortened) == (1, True)
    assert [span.text for span in made.sav.cited] == ["je ne veux plus de la ligne"]
    assert len(words_of(model.asked[0])) == 100
    left_out = Scripted(answer(long, 1, "mot150 mot151"))
    assert plain_outcomes(engines.make(left_out, max_words=100, cache_entries=0).classify_many([call(long)])) == [
        (9, 9, 2)
    ]


def test_never_more_requests_are_under_way_than_may_be(engines: Engines) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def slow(request: Request) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return about(request)

    made = engines.make(Scripted(slow), concurrency=3).classify_many([call(text) for text in texts(12)])
    assert plain_outcomes(made) == [(4, 4, 1)] * 12
    assert most == 3


def test_while_the_model_is_away_nothing_is_answered_and_what_was_had_is_not_paid_again(engines: Engines) -> None:
    calls = [call(text) for text in texts(6)]
    model = Scripted(about, about, about, Away("no route to the model"))
    engine = engines.make(model, concurrency=1)
    with pytest.raises(Away, match="no route"):
        engine.classify_many(calls)
    assert len(model.asked) == 4
    back = Scripted(about)
    made = engines.make(back, concurrency=1).classify_many(calls)
    assert plain_outcomes(made) == [(4, 4, 1)] * 6
    assert len(back.asked) == 3


def test_an_outage_of_an_hour_is_answered_by_waiting_and_a_try_every_half_minute(engines: Engines) -> None:
    model = Scripted(Away("no route to the model"))
    engine = engines.make(model, concurrency=4)
    calls = [call(text) for text in texts(8)]
    for _ in range(360):
        with pytest.raises(Away):
            engine.classify_many(calls)
        engines.clock.now_ms += 10_000
    assert len(model.asked) <= 5 + 4 + 3600 / 30
    model.says(about)
    engines.clock.now_ms += 30_000
    made = list[Classification]()
    for _ in range(8):  # one tries, the others wait for it
        with suppress(Away):
            made = engine.classify_many(calls)
    assert plain_outcomes(made) == [(4, 4, 1)] * 8


def test_with_a_time_limit_calls_go_on_without_an_answer_until_the_model_is_back(engines: Engines) -> None:
    model = Scripted(Away("no route to the model"))
    engine = engines.make(model, give_up_after_s=600, concurrency=2)
    calls = [call(text) for text in [*texts(2), "allô allô"]]
    with pytest.raises(Away):
        engine.classify_many(calls)
    engines.clock.now_ms += 599_000
    with pytest.raises(Away):
        engine.classify_many(calls)
    engine = engines.make(model, give_up_after_s=600)
    engines.clock.now_ms += 1000
    made = engine.classify_many(calls)
    assert plain_outcomes(made) == [(9, 9, 2), (9, 9, 2), (3, 3, 1)]
    assert [one.waits for one in made] == [True, True, False]
    assert not engine.is_back(calls[0])
    model.says(about)
    engines.clock.now_ms += 60_000
    assert engine.is_back(calls[0])
    assert [one.waits for one in engine.classify_many(calls)] == [False, False, False]


def test_a_call_that_waits_is_taken_up_again_when_another_process_had_its_answer(engines: Engines) -> None:
    away = engines.make(Scripted(Away("no route to the model")), give_up_after_s=1)
    with pytest.raises(Away):
        away.classify_many([call(AT_HOME)])
    engines.clock.now_ms += 2000
    assert [one.waits for one in away.classify_many([call(AT_HOME)])] == [True]
    engines.make(Scripted(about)).classify_many([call(AT_HOME)])
    assert away.is_back(call(AT_HOME))
    assert away.is_back(call("allô allô"))


def test_a_model_that_refuses_a_call_is_there_and_is_not_asked_about_it_for_ever(engines: Engines) -> None:
    model = Scripted(Away("no route to the model"))
    engine = engines.make(model, give_up_after_s=1)
    with pytest.raises(Away):
        engine.classify_many([call(AT_HOME)])
    engines.clock.now_ms += 60_000
    model.says(NoAnswer("stopped: content_filter"))
    assert engine.is_back(call(AT_HOME))
    assert [one.waits for one in engine.classify_many([call(AT_HOME)])] == [False]


def test_a_batch_that_is_interrupted_is_not_paid_again_without_a_cache(engines: Engines) -> None:
    answers = 0

    def now_and_then(request: Request) -> Says:
        nonlocal answers
        answers += 1
        return about(request) if answers % 2 else Away("wait for our own limits")

    model = Scripted(now_and_then)
    engine = engines.make(model, cache_entries=0, concurrency=1)
    calls = [call(text) for text in texts(4)]
    for _ in range(3):
        with pytest.raises(Away):
            engine.classify_many(calls)
        engines.clock.now_ms += 60_000
    assert plain_outcomes(engine.classify_many(calls)) == [(4, 4, 1)] * 4
    assert len(model.asked) == 7


def test_a_model_that_is_away_at_the_start_is_waited_for_unless_calls_go_on_without(engines: Engines) -> None:
    def closed(_: Request) -> Scripted:
        raise Away("no route to the model")

    waiting = engines.make(Scripted(about), closed)
    with pytest.raises(Away, match="no route"):
        waiting.start()
    with pytest.raises(Away, match="no route"):
        waiting.classify_many([call(AT_HOME)])
    assert plain_outcomes(waiting.classify_many([call("allô allô")])) == [(3, 3, 1)]
    going_on = engines.make(Scripted(about), closed, give_up_after_s=60)
    going_on.start()
    engines.clock.now_ms += 60_000
    assert [one.waits for one in going_on.classify_many([call(AT_HOME)])] == [True]


def test_what_was_answered_before_is_answered_also_while_the_model_is_away(engines: Engines) -> None:
    engines.make(Scripted(about)).classify_many([call(AT_HOME)])
    away = engines.make(Scripted(Away("no route")))
    assert plain_outcomes(away.classify_many([call(AT_HOME)])) == [(4, 4, 1)]


def test_when_the_budget_is_spent_calls_wait_with_the_setting_and_the_time_in_words(engines: Engines) -> None:
    model = Scripted(about)
    prices = Prices(input=1.0, output=10.0, per_day=0.03)
    engine = engines.make(model, prices=prices, concurrency=1)
    calls = [call(text) for text in texts(12)]
    with pytest.raises(Away, match=r"RINGTRUE_CLASSIFIER__BUDGET_PER_DAY\); it goes on at .*T00:00:00\+01:00"):
        engine.classify_many(calls)
    paid = len(model.asked)
    assert 5 <= paid < 12
    with pytest.raises(Away, match="budget"):
        engines.make(model, prices=prices, concurrency=1).classify_many(calls)
    assert len(model.asked) == paid
    engines.clock.now_ms += 24 * 3600 * 1000
    assert plain_outcomes(engine.classify_many(calls)) == [(4, 4, 1)] * 12
    assert len(model.asked) == 12


def test_a_budget_that_stops_is_no_failure_of_the_model(engines: Engines) -> None:
    engine = engines.make(Scripted(about), prices=Prices(input=1.0, output=10.0, per_day=0.02), concurrency=1)
    for _ in range(10):
        with pytest.raises(Away, match="budget"):
            engine.classify_many([call(text) for text in texts(12)])


def test_twenty_answers_in_a_row_that_cannot_be_used_open_a_breaker(engines: Engines) -> None:
    model = Scripted("je ne sais pas")
    engine = engines.make(model, concurrency=1)
    made = engine.classify_many([call(text) for text in texts(10)])
    assert plain_outcomes(made) == [(9, 9, 2)] * 10
    assert metric("ringtrue_llm_unusable_in_a_row") >= 20
    assert metric("ringtrue_llm_breaker_open", breaker="unusable") == 1
    other = [call(f"{text} encore") for text in texts(3)]
    with pytest.raises(Away, match=r"failed 20 times in a row.*its answer cannot be used: not JSON"):
        engine.classify_many(other)
    assert len(model.asked) == 20
    model.says(about)
    engines.clock.now_ms += 300_000
    assert plain_outcomes(engine.classify_many(other)) == [(4, 4, 1)] * 3
    assert metric("ringtrue_llm_breaker_open", breaker="unusable") == 0
    assert metric("ringtrue_llm_unusable_in_a_row") == 0


def test_calls_that_have_no_answer_do_not_hold_up_the_others_for_ever(engines: Engines) -> None:
    def moody(request: Request) -> Says:
        return "?" if "rouge" in request.user else about(request)

    model = Scripted(moody)
    engine = engines.make(model, concurrency=1)
    calls = [call(text) for text in [*texts(12), AT_HOME]]
    made = list[Classification]()
    for _ in range(10):
        with suppress(Away):
            made = engine.classify_many(calls)
            break
        engines.clock.now_ms += 300_000
    assert plain_outcomes(made) == [(9, 9, 2)] * 12 + [(4, 4, 1)]
    assert len(model.asked) == 25


def test_a_call_without_an_answer_may_be_asked_about_again_later(engines: Engines) -> None:
    model = Scripted("?", "?", about)
    engine = engines.make(model)
    assert plain_outcomes(engine.classify_many([call(AT_HOME)])) == [(9, 9, 2)]
    assert plain_outcomes(engine.classify_many([call(AT_HOME)])) == [(9, 9, 2)]
    assert len(model.asked) == 2
    engines.clock.now_ms += 3_600_000
    assert plain_outcomes(engine.classify_many([call(AT_HOME)])) == [(4, 4, 1)]


@pytest.mark.parametrize("fault", [Misconfigured("no such model"), RuntimeError("a mistake of ours")])
def test_what_is_no_outage_ends_the_process(engines: Engines, fault: Exception) -> None:
    engine = engines.make(Scripted(about, fault), concurrency=1, give_up_after_s=1)
    with pytest.raises(type(fault)):
        engine.classify_many([call(text) for text in texts(2)])


def test_the_version_tells_model_prompts_and_guards(engines: Engines) -> None:
    def version(**options: Any) -> str:
        return engines.make(Scripted(about), **options).version

    assert version().startswith("scripted ")
    assert version() == version()
    assert len({version(), version(plain=True), version(language="fr"), version(max_words=100)}) == 4


def test_metrics_tell_where_answers_come_from(engines: Engines) -> None:
    def answers(source: str) -> float:
        return metric("ringtrue_llm_answers_total", source=source)

    before = {source: answers(source) for source in ("model", "cache", "lexicon", "none")}
    engine = engines.make(Scripted(about))
    engine.classify_many([call(AT_HOME), call("allô")])
    engine.classify_many([call(AT_HOME)])
    engines.make(Scripted("?")).classify_many([call(f"{AT_HOME} encore")])
    assert {source: answers(source) - was for source, was in before.items()} == {
        "model": 1,
        "cache": 1,
        "lexicon": 1,
        "none": 1,
    }


def test_the_settings_make_the_engine_and_the_transport(stub: Stub, tmp_path: Path) -> None:
    settings = ClassifierSettings(engine="openai", model="tiny", endpoint=stub.url, timeout_s=5)
    stub.says = answer(AT_HOME, 4, "oui bonjour")
    engine = load_engine(settings, data_dir=tmp_path, zone=ZONE)
    assert isinstance(engine, LanguageModelEngine)
    assert isinstance(engine, AsksOutside)
    assert not stub.asked
    with closing(engine):
        engine.start()
        [made] = engine.classify_many([call(AT_HOME)])
    assert (engine.name, made.sav.outcome, made.model) == ("openai", 4, "tiny-of-the-server")
    assert len(stub.asked) == 2
    assert stub.asked[1].body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert stub.asked[0].body["messages"][0] == stub.asked[1].body["messages"][0]


def test_settings_that_a_server_refuses_end_the_start_with_their_names(stub: Stub, tmp_path: Path) -> None:
    stub.always = Reply(404, {"error": {"message": "no model tiny"}})
    settings = ClassifierSettings(engine="openai", model="tiny", endpoint=stub.url)
    engine = load_engine(settings, data_dir=tmp_path, zone=ZONE)
    assert isinstance(engine, LanguageModelEngine)
    with closing(engine), pytest.raises(Misconfigured, match=r"no model tiny.*RINGTRUE_CLASSIFIER__MODEL"):
        engine.start()
