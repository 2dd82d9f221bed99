"""While a model is away, refuses or answers nonsense: nothing is lost, paid twice or asked for ever."""

from contextlib import suppress

import pytest

from ringtrue.errors import Away, Misconfigured
from services.classifier.engine import Classification
from services.classifier.models.budget import Prices
from services.classifier.models.port import NoAnswer, Request
from tests.unit.classifier.models.engines import AT_HOME, Engines, about, metric, plain_outcomes, texts
from tests.unit.classifier.models.scripted import Says, Scripted, call


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
