"""What goes through a model together: by falling size, within the budget, several batches at work at once."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from services.asr.batching import Budget, run
from services.asr.engine import SegmentError


def cut(sizes: list[int], most: int, *, alike: bool = False, ways: int = 1) -> list[list[int]]:
    return list(Budget(most, alike=alike).cut(sizes, range(len(sizes)), ways))


def test_the_longest_come_first_and_a_batch_is_its_longest_times_its_members() -> None:
    assert cut([1, 5, 2, 4, 3], 10) == [[1, 3], [4, 2, 0]]


def test_one_that_is_larger_than_the_budget_goes_alone() -> None:
    assert cut([3, 50, 3], 10) == [[1], [0, 2]]


def test_only_members_of_one_size_share_a_batch_where_that_is_needed() -> None:
    assert cut([2, 3, 2, 3, 2], 100, alike=True) == [[1, 3], [0, 2, 4]]


def test_what_would_fit_into_one_batch_is_parted_where_several_can_be_at_work() -> None:
    assert cut([4] * 6, 100, ways=2) == [[0, 1, 2], [3, 4, 5]]
    assert cut([4], 100, ways=2) == [[0]]


@given(st.lists(st.integers(1, 30), max_size=30), st.integers(1, 100), st.integers(1, 4))
def test_everyone_is_in_exactly_one_batch_within_the_budget(sizes: list[int], most: int, ways: int) -> None:
    batches = cut(sizes, most, ways=ways)
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    assert all(len(batch) == 1 or max(sizes[i] for i in batch) * len(batch) <= most for batch in batches)


def test_so_many_batches_are_at_work_at_once_and_finish_in_their_order() -> None:
    events = list[str]()

    def launch(batch: list[int]) -> Callable[[], None]:
        events.append(f"launch {batch[0]}")
        return lambda: events.append(f"finish {batch[0]}")

    run([3, 2, 1], [0, 1, 2], Budget(3, alike=True), launch, in_flight=2)
    assert events == ["launch 0", "launch 1", "finish 0", "launch 2", "finish 1", "finish 2"]


@pytest.mark.parametrize("when", ["launch", "finish"])
def test_after_out_of_memory_the_same_members_go_in_smaller_batches(when: str) -> None:
    done = list[list[int]]()

    def launch(batch: list[int]) -> Callable[[], None]:
        def check(moment: str) -> None:
            if moment == when and len(batch) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")

        check("launch")

        def finish() -> None:
            check("finish")
            done.append(batch)

        return finish

    budget = Budget(8)
    run([1] * 8, list(range(8)), budget, launch, in_flight=1)
    assert sorted(index for batch in done for index in batch) == list(range(8))
    assert budget.most == 2


def test_what_lacked_memory_only_because_others_held_it_is_run_again_as_it_was() -> None:
    held, done = list[int](), list[list[int]]()

    def launch(batch: list[int]) -> Callable[[], None]:
        if sum(held) + len(batch) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        held.append(len(batch))

        def finish() -> None:
            held.remove(len(batch))
            done.append(batch)

        return finish

    budget = Budget(4)
    run([1] * 24, list(range(24)), budget, launch, in_flight=2)
    assert sorted(index for batch in done for index in batch) == list(range(24))
    assert {len(batch) for batch in done} == {4}
    assert budget.most == 4


def test_a_device_that_is_short_of_memory_for_what_it_did_before_is_no_fault_of_a_member() -> None:
    budget = Budget(8)
    run([4], [0], budget, lambda batch: lambda: None, in_flight=1)

    def launch(batch: list[int]) -> Callable[[], None]:
        raise torch.OutOfMemoryError("another process took it")

    with pytest.raises(torch.OutOfMemoryError, match="no memory for what was done before"):
        run([3], [0], budget, launch, in_flight=1)
    with pytest.raises(SegmentError, match="does not fit"):
        run([5], [0], budget, launch, in_flight=1)


def test_a_halved_budget_grows_again_after_many_good_batches() -> None:
    budget = Budget(8)
    budget.halve([0, 1], [4, 4], "short")
    assert budget.most == 4
    run([4] * 60, list(range(60)), budget, lambda batch: lambda: None, in_flight=1)
    assert budget.most == 8


def test_an_error_that_is_not_about_memory_goes_through() -> None:
    def launch(batch: list[int]) -> Callable[[], None]:
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        run([1], [0], Budget(1), launch, in_flight=2)
