"""The judge: orders, calls and marks come in any order, and the verdict is the same."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringtrue.messages import OrderVerdict
from tests.unit.compliance.cases import a_call, at
from tests.unit.workers.bench import Bench
from tests.unit.workers.judging import (
    ORDER,
    Message,
    a_judge,
    after,
    covered,
    current,
    opened,
)


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("log"), a_judge())
    with closing(bench.log):
        yield bench


_clients = count(212_700_000_000)
_DAYS = count(1)


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    starts=st.lists(st.sampled_from(["07:30", "09:00", "11:00", "11:30", "13:10", "15:00", "16:30"]), max_size=4),
)
def test_the_order_of_arrival_does_not_change_the_verdict(
    shared_bench: Bench, data: st.DataObject, starts: list[str]
) -> None:
    client = str(next(_clients))
    order = replace(ORDER, client_number=client, case_id=f"CMD@{client}")
    external = st.sampled_from([None, None, "7"])
    outcomes = st.sampled_from([0, 1, 3])
    calls = [
        replace(
            a_call(start, data.draw(outcomes), call_id=f"{client}/{number}", external_id=data.draw(external)),
            client_number=client,
        )
        for number, start in enumerate(starts)
    ]
    # Each of these arrives in its own order; how they mix is free.
    lines: list[list[Message]] = [[opened(call), call] for call in calls]
    lines.append([current(order), current(replace(order, city="Fès"), revision=2)])
    day = next(_DAYS)
    lines.append([replace(covered(), until_ms=at("17:00") + day)])

    def mixed() -> list[Message]:
        turns = data.draw(st.permutations([number for number, line in enumerate(lines) for _ in line]))
        feeds = [iter(line) for line in lines]
        return [next(feeds[turn]) for turn in turns]

    def final(messages: Sequence[Message], restart: int = 0) -> OrderVerdict:
        found = after(shared_bench, *messages[:restart]) if restart else []
        found += after(shared_bench, *messages[restart:])
        assert [one.evaluation for one in found] == sorted({one.evaluation for one in found})
        gone = [replace(call, retracted=True) for call in calls]
        assert not after(shared_bench, current(order, revision=3, status="moved"), *gone)
        return replace(found[-1], evaluation=0, event_time_ms=0)

    first = final(mixed(), restart=data.draw(st.integers(1, 3)))
    assert first.verdict != "pending"
    assert final(mixed()) == first
