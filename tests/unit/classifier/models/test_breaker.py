import pytest
from prometheus_client import REGISTRY

from ringtrue.errors import Away
from services.classifier.models.breaker import Breaker
from services.classifier.models.openai import OpenAIModel
from tests.unit.classifier.models.clock import Time
from tests.unit.classifier.models.stub import REQUEST, Reply, Stub


def opened(clock: Time) -> Breaker:
    breaker = Breaker(3, 60, clock)
    for _ in range(3):
        breaker.check()
        breaker.failed("it answered nonsense")
    return breaker


def gauge() -> float | None:
    return REGISTRY.get_sample_value("ringtrue_llm_breaker_open", {"breaker": "model"})


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(3, 60, Time())
    for _ in range(5):
        breaker.failed("nonsense")
        breaker.failed("nonsense")
        breaker.succeeded()
    breaker.check()
    assert (breaker.open, gauge()) == (False, 0)
    breaker = opened(Time())
    assert (breaker.open, gauge()) == (True, 1)
    with pytest.raises(Away, match=r"failed 3 times.*nonsense.*again in 60 s"):
        breaker.check()


def test_a_clock_that_is_set_back_makes_nobody_wait_for_longer_than_a_pause() -> None:
    clock = Time()
    breaker = opened(clock)
    clock.now_s -= 3000
    with pytest.raises(Away, match="again in 60 s"):
        breaker.check()
    clock.now_s += 60
    breaker.check()


def test_after_the_pause_one_request_tries_and_the_others_wait_for_it() -> None:
    clock = Time()
    breaker = opened(clock)
    clock.now_s += 60
    breaker.check()
    with pytest.raises(Away):
        breaker.check()
    breaker.succeeded()
    breaker.check()
    breaker.check()
    assert (breaker.open, gauge()) == (False, 0)


def test_a_try_that_fails_brings_another_pause() -> None:
    clock = Time()
    breaker = opened(clock)
    clock.now_s += 60
    breaker.check()
    breaker.failed("still nonsense")
    clock.now_s += 59
    with pytest.raises(Away, match="still nonsense"):
        breaker.check()
    clock.now_s += 1
    breaker.check()


def test_a_try_that_nobody_hears_of_again_does_not_stop_the_next() -> None:
    clock = Time()
    breaker = opened(clock)
    clock.now_s += 60
    breaker.check()
    clock.now_s += 60
    breaker.check()


def test_failures_that_come_late_do_not_lengthen_the_pause() -> None:
    clock = Time()
    breaker = opened(clock)
    clock.now_s += 59
    breaker.failed("of a request that was on its way")
    clock.now_s += 1
    breaker.check()


def test_in_an_hour_s_outage_the_server_is_asked_at_most_twice_a_minute_and_then_everything_goes_on(
    stub: Stub,
) -> None:
    clock = Time()
    model = OpenAIModel("tiny", endpoint=f"{stub.url}/v1", timeout_s=2, clock=clock, sleep=clock.sleep)
    breaker = Breaker(3, 60, clock)
    stub.always = Reply(503, {"error": {"message": "overloaded"}})
    back_off_s, answered, turns = 0.2, 0, 0
    while clock.now_s < 4700:
        if clock.now_s >= 4600:
            stub.always = None
        turns += 1
        try:  # as the worker's loop does
            breaker.check()
            try:
                model.complete(REQUEST)
            except Away as away:
                breaker.failed(str(away))
                raise
            breaker.succeeded()
        except Away:
            clock.sleep(back_off_s)
            back_off_s = min(30.0, back_off_s * 2)
        else:
            answered += 1
            clock.sleep(1)
    during = len(stub.asked) - answered
    assert during <= 2 * 60 + 6  # two requests a try; three tries before it opened
    assert turns - answered > 120  # the worker has turned all the time, and so kept its partitions
    assert answered > 5
    assert not breaker.open
