import threading
from itertools import pairwise

import pytest

from ringtrue.errors import Away
from services.classifier.models.limits import Limits, estimate
from services.classifier.models.port import NoAnswer
from tests.unit.classifier.models.clock import Time
from tests.unit.classifier.models.stub import REQUEST


def limits(clock: Time, requests: int = 0, tokens: int = 0, patience_s: float = 1000) -> Limits:
    return Limits(requests, tokens, patience_s=patience_s, clock=clock, sleep=clock.sleep)


def test_without_limits_nobody_waits() -> None:
    clock = Time()
    for _ in range(1000):
        with limits(clock).reserved(100_000):
            pass
    assert not clock.slept


def test_requests_go_at_the_limit_and_never_much_faster() -> None:
    clock = Time()
    ours = limits(clock, requests=600)
    times = list[float]()
    for _ in range(2000):
        with ours.reserved(0):
            times.append(clock.now_s)
    assert clock.now_s - 1000 == pytest.approx((2000 - 20) / 10)
    assert max(sum(start <= other < start + 60 for other in times) for start in times[:1400]) <= 620


def test_one_request_a_minute_is_one_a_minute() -> None:
    clock = Time()
    ours = limits(clock, requests=1)
    times = list[float]()
    for _ in range(5):
        with ours.reserved(0):
            times.append(clock.now_s)
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([60] * 4)


def test_what_was_reserved_and_not_used_is_given_back() -> None:
    clock = Time()
    ours = limits(clock, tokens=60_000)
    for _ in range(100):
        with ours.reserved(5_000) as reservation:
            reservation.settle(1_000)
    # 1,000 a second; every request needs a full bucket (2,000), and takes only 1,000 of it.
    assert sum(clock.slept) == pytest.approx(99, abs=1)


def test_what_was_used_beyond_the_reservation_is_taken_too() -> None:
    clock = Time()
    ours = limits(clock, tokens=60_000)
    with ours.reserved(100) as reservation:
        reservation.settle(32_000)
    with ours.reserved(100):
        assert sum(clock.slept) == pytest.approx(30, abs=0.2)


def test_a_request_larger_than_the_bucket_goes_when_it_is_full() -> None:
    clock = Time()
    ours = limits(clock, tokens=600)
    for expected_s in (0, 100, 200):
        with ours.reserved(1_000):
            assert sum(clock.slept) == pytest.approx(expected_s)


def test_a_request_that_failed_costs_nothing_and_one_without_an_answer_all_it_had() -> None:
    clock = Time()
    ours = limits(clock, tokens=60_000)
    for error, later_s in ((Away("gone"), 0.0), (NoAnswer("stopped"), 30.0)):
        with pytest.raises(type(error)), ours.reserved(31_000):
            raise error
        start_s = clock.now_s
        with ours.reserved(1_000) as reservation:
            assert clock.now_s - start_s == pytest.approx(later_s, abs=0.1)
            reservation.settle(0)


def test_who_would_wait_too_long_does_not_begin_to_and_takes_nothing() -> None:
    clock = Time()
    ours = limits(clock, requests=1, patience_s=10)
    with ours.reserved(0):
        pass
    for _ in range(5):
        with pytest.raises(Away, match=r"in 60 s \(RINGTRUE_CLASSIFIER__REQUESTS_PER_MINUTE"), ours.reserved(0):
            pass
    clock.now_s += 60
    with ours.reserved(0):
        pass


def test_many_threads_share_one_limit_and_go_in_their_order() -> None:
    clock = Time()
    waits = list[float]()
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            waits.append(seconds)

    ours = Limits(60, 0, patience_s=1000, clock=clock, sleep=sleep)

    def ask() -> None:
        for _ in range(25):
            with ours.reserved(0):
                pass

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The clock stands: 200 requests at once, two of them of what the bucket holds, the others one second apart.
    assert sorted(waits) == pytest.approx(list(range(1, 199)))


def test_an_estimate_counts_everything_that_is_sent_and_the_whole_answer() -> None:
    sent = "".join(["You judge calls.", *(text for example in REQUEST.examples for text in example), REQUEST.user])
    assert estimate(REQUEST) == 64 + len(sent.encode()) // 3
