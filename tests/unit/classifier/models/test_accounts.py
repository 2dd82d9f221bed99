"""The file of answers and spending: the cache, the budget of a day, and since when the model has been away."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY

from ringtrue.errors import Away, Misconfigured
from ringtrue.times import to_utc_ms
from services.classifier.models.budget import Budget, Prices
from services.classifier.models.cache import Cache, Kept, key_of
from services.classifier.models.outage import Outage
from services.classifier.models.port import NoAnswer, Request, TooLate
from services.classifier.models.store import Store

ZONE = ZoneInfo("Africa/Casablanca")
REQUEST = Request(system="s" * 270, examples=(), user="u" * 30, schema={}, max_tokens=100)
#: A request may cost 100 * 1 + 100 * 10 millionths.
PRICES = Prices(input=1.0, output=10.0)
MOST = 0.0011


class Clock:
    """UTC milliseconds, set by hand."""

    def __init__(self, local: str = "2026-12-01T10:00:00") -> None:
        self.set(local)

    def set(self, local: str) -> None:
        self.now_ms = to_utc_ms(datetime.fromisoformat(local), ZONE)

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as store:
        yield store


def budget(store: Store, per_day: float, clock: Clock) -> Budget:
    return Budget(store, Prices(PRICES.input, PRICES.output, per_day), ZONE, clock)


def spend(budget: Budget, output_tokens: int = 100) -> None:
    """One request, of a hundred tokens of input."""
    with budget.reserved(REQUEST) as bill:
        bill.settle(100, output_tokens)


def test_an_answer_is_kept_over_a_restart(path: Path) -> None:
    key = key_of("document", "prompt", "model")
    with closing(Store(path)) as store:
        Cache(store, 10).put(key, Kept("{}", "tiny"))
        store.close()  # it opens again when it is needed
        assert Cache(store, 10).get([key]) == {key: Kept("{}", "tiny")}
    with closing(Store(path)) as store:
        assert Cache(store, 10).get([key, key_of("another")]) == {key: Kept("{}", "tiny")}


def test_keys_tell_apart_what_was_asked_with() -> None:
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("abc", "")}) == 4


def test_the_answers_used_longest_ago_go_when_there_are_too_many(store: Store) -> None:
    clock = Clock()
    cache = Cache(store, 20, clock)
    keys = [key_of(str(n)) for n in range(21)]
    for key in keys[:20]:
        clock.now_ms += 1
        cache.put(key, Kept("{}", "tiny"))
    clock.now_ms += 2 * 24 * 3600 * 1000
    assert cache.get(keys[:1])
    clock.now_ms += 1
    cache.put(keys[20], Kept("{}", "tiny"))
    left = cache.get(keys)
    assert len(left) == 19
    assert keys[0] in left
    assert keys[1] not in left
    assert keys[2] not in left


def test_without_a_cache_nothing_is_kept(store: Store) -> None:
    cache = Cache(store, 0)
    cache.put(b"key", Kept("{}", "tiny"))
    assert cache.get([b"key"]) == {}


@pytest.mark.parametrize("damage", [b"this is no database at all" * 100, b""])
def test_a_damaged_file_is_begun_anew_with_a_warning(
    path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    with closing(Store(path)) as store:
        Cache(store, 10).put(b"key", Kept("{}", "tiny"))
        assert Cache(store, 10).get([b"key"])
    said = capsys.readouterr()
    assert ("begun anew" in said.out + said.err) == bool(damage)


def test_damage_that_shows_later_is_mended_too(path: Path) -> None:
    with closing(Store(path)) as store:
        cache = Cache(store, 10_000)
        for n in range(2000):
            cache.put(key_of(str(n)), Kept("x" * 100, "tiny"))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with closing(Store(path)) as store:
        cache = Cache(store, 10_000)
        assert cache.get([key_of(str(n)) for n in range(2000)]) == {}
        cache.put(b"key", Kept("{}", "tiny"))
        assert cache.get([b"key"])


def test_a_mistake_of_ours_is_no_damage(store: Store) -> None:
    Cache(store, 10).put(b"key", Kept("{}", "tiny"))
    with pytest.raises(sqlite3.IntegrityError):
        store.do(lambda connection: connection.execute("INSERT INTO answers VALUES ('k', NULL, 'm', 0)"))
    assert Cache(store, 10).get([b"key"])


def test_a_folder_that_cannot_be_made_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Away, match="models"):
        Store(tmp_path / "file" / "models.sqlite")


def test_what_was_spent_is_counted_over_restarts_until_the_budget_stops(path: Path) -> None:
    clock = Clock()
    for _ in range(3):
        with closing(Store(path)) as store:
            spend(budget(store, 0.004, clock))
    with closing(Store(path)) as store:
        stopped = budget(store, 0.004, clock)
        assert stopped.spent() == pytest.approx(0.0033)
        with pytest.raises(Away) as caught:
            spend(stopped)
    assert "0.0033 of 0.004 (RINGTRUE_CLASSIFIER__BUDGET_PER_DAY)" in str(caught.value)
    assert "goes on at 2026-12-02T00:00:00+01:00" in str(caught.value)


def test_it_goes_on_at_the_operators_midnight(store: Store) -> None:
    clock = Clock("2026-12-01T23:30:00")
    stopping = budget(store, 0.0011, clock)
    spend(stopping)
    clock.set("2026-12-01T23:59:59")
    with pytest.raises(Away):
        spend(stopping)
    clock.set("2026-12-02T00:00:00")
    spend(stopping)


def test_what_a_request_did_not_use_may_be_spent_by_others(store: Store) -> None:
    frugal = budget(store, 0.002, Clock())
    for _ in range(9):
        spend(frugal, output_tokens=1)
    assert frugal.spent() == pytest.approx(9 * 0.00011)


def test_a_request_without_an_answer_in_time_is_counted_as_what_it_may_have_cost(store: Store) -> None:
    late = budget(store, 0.0025, Clock())
    with pytest.raises(TooLate), late.reserved(REQUEST):
        raise TooLate("no answer within 30 s")
    assert late.spent() == pytest.approx(0.0011)
    with pytest.raises(Away), late.reserved(REQUEST):
        raise Away("no route to the model")
    assert late.spent() == pytest.approx(0.0011)


def test_requests_on_their_way_hold_what_they_may_cost(store: Store) -> None:
    held = budget(store, 0.0025, Clock())
    with held.reserved(REQUEST), held.reserved(REQUEST), pytest.raises(Away), held.reserved(REQUEST):
        pass


def test_side_by_side_they_never_spend_more_than_the_budget(store: Store) -> None:
    shared = budget(store, 0.011, Clock())
    let_through = list[int]()

    def ask() -> None:
        for _ in range(5):
            try:
                spend(shared)
                let_through.append(1)
            except Away:
                pass

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(let_through) <= 10
    assert shared.spent() == pytest.approx(len(let_through) * MOST)


def test_a_request_without_a_completion_costs_its_estimate_and_one_that_went_nowhere_nothing(store: Store) -> None:
    counted = budget(store, 1, Clock())
    with pytest.raises(NoAnswer), counted.reserved(REQUEST):
        raise NoAnswer("stopped: max_tokens")
    assert counted.spent() == pytest.approx(MOST)
    with pytest.raises(Away), counted.reserved(REQUEST):
        raise Away("no server")
    assert counted.spent() == pytest.approx(MOST)
    spend(counted)


def test_a_server_that_counts_no_tokens_is_billed_by_estimate(store: Store) -> None:
    counted = budget(store, 1, Clock())
    with counted.reserved(REQUEST) as bill:
        bill.settle(0, 0)
    assert counted.spent() == pytest.approx(MOST)


def test_a_budget_of_no_use_is_an_error_that_names_the_setting(store: Store) -> None:
    with pytest.raises(
        Misconfigured, match=r"RINGTRUE_CLASSIFIER__BUDGET_PER_DAY=5 .*RINGTRUE_CLASSIFIER__PRICE_INPUT"
    ):
        Budget(store, Prices(per_day=5), ZONE)
    with pytest.raises(Misconfigured, match=r"BUDGET_PER_DAY=0.001 is less than one request may cost: 0.0011"):
        spend(budget(store, 0.001, Clock()))


def test_the_metrics_tell_tokens_cost_and_what_is_left(store: Store) -> None:
    def metrics() -> tuple[float, ...]:
        names = [
            ("ringtrue_llm_tokens_total", {"direction": "input"}),
            ("ringtrue_llm_tokens_total", {"direction": "output"}),
            ("ringtrue_llm_cost_total", {}),
        ]
        return tuple(REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in names)

    before = metrics()
    spend(budget(store, 1, Clock()), output_tokens=40)
    assert [after - was for after, was in zip(metrics(), before, strict=True)] == pytest.approx([100, 40, 0.0005])
    assert REGISTRY.get_sample_value("ringtrue_llm_budget_left") == pytest.approx(0.9995)
    Budget(store, PRICES, ZONE)
    assert json.dumps(REGISTRY.get_sample_value("ringtrue_llm_budget_left")) == "Infinity"


def test_an_outage_is_too_long_after_its_time_also_over_a_restart(path: Path) -> None:
    clock = Clock()
    with closing(Store(path)) as store:
        outage = Outage(store, 3600, clock)
        assert (outage.lasts, outage.is_too_long) == (False, False)
        outage.goes_on()
        clock.now_ms += 3_599_999
        outage.goes_on()
        assert (outage.lasts, outage.is_too_long) == (True, False)
    with closing(Store(path)) as store:
        outage = Outage(store, 3600, clock)
        assert (outage.lasts, outage.is_too_long) == (True, False)
        clock.now_ms += 1
        assert outage.is_too_long
        assert not Outage(store, 0, clock).is_too_long
        outage.ended()
        assert (outage.lasts, outage.is_too_long) == (False, False)
        assert not Outage(store, 3600, clock).lasts
