"""Batches by length: what goes through a model together, how it is cut, and what happens when memory does not suffice.

Used by every engine that runs on a device. Sizes are in whatever the engine counts (model positions, windows of 30 s).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import structlog
import torch

from services.asr.engine import SegmentError
from services.asr.metrics import BATCH_FILL, BATCHES, GPU_MEMORY, HALVINGS

_log = structlog.get_logger()

#: Batches that go well before a halved budget is doubled again.
_TRUST_AFTER = 50


class Budget:
    """How much may go through a model at once; halved when the device runs out of memory, and raised again later.

    Args:
        most: The largest batch: its longest member's size times its members.
        alike: Only members of one size may share a batch.
    """

    def __init__(self, most: int, *, alike: bool = False) -> None:
        self.most = self.full = most
        self._alike = alike
        self._proven = 0  # the largest member that was ever done
        self._good = 0  # batches since memory ran out

    def cut(self, sizes: Sequence[int], members: Sequence[int], ways: int = 1) -> Iterator[list[int]]:
        """Batches of `members` (indices into `sizes`) by falling size: little is padded, and the dearest is first.

        Where all would fit into fewer than `ways` batches, they are made smaller, so that nobody is idle. A member
        above the budget goes alone.
        """
        most = min(self.most, -(-sum(sizes[index] for index in members) // ways))
        batch: list[int] = []
        for index in sorted(members, key=lambda i: -sizes[i]):
            full = batch and sizes[batch[0]] * (len(batch) + 1) > most
            if full or (batch and self._alike and sizes[index] != sizes[batch[0]]):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def done(self, batch: Sequence[int], sizes: Sequence[int]) -> None:
        """After a batch that went through: what memory was short of may have been given back."""
        self._proven = max(self._proven, sizes[batch[0]])
        self._good += 1
        if self._good >= _TRUST_AFTER and self.most < self.full:
            self.most, self._good = min(self.full, 2 * self.most), 0

    def halve(self, batch: Sequence[int], sizes: Sequence[int], reason: str) -> None:
        """After a batch that was too much for the device by itself: half of what it was, from now on.

        Raises:
            SegmentError: It has one member, larger than any that was ever done.
            OutOfMemoryError: It has one member of a size that was done before: the device is short of memory.
        """
        if len(batch) == 1:
            if sizes[batch[0]] > self._proven:
                raise SegmentError(f"this segment does not fit into the device's memory: {reason}")
            raise torch.OutOfMemoryError(f"no memory for what was done before: {reason}")
        self.most, self._good = max(1, min(self.most, sizes[batch[0]] * len(batch)) // 2), 0
        HALVINGS.inc()
        _log.warning("out of memory", batch=len(batch), budget=self.most)


def run(
    sizes: Sequence[int],
    members: Sequence[int],
    budget: Budget,
    launch: Callable[[list[int]], Callable[[], None]],
    *,
    in_flight: int,
) -> None:
    """Runs all members through a model in batches.

    Args:
        sizes: By index.
        members: The indices to run.
        budget: What a batch may be.
        launch: Starts the work on a batch and returns what waits for its end and takes the results.
        in_flight: How many batches are at work at once. Two where a device works beside the CPU: the next batch is
            launched before the last one's results are waited for. On a CPU one for each thread.

    Raises:
        SegmentError: One member alone is more than the device has memory for.
    """
    waiting = deque(budget.cut(sizes, members, in_flight))
    launched = deque[tuple[list[int], Callable[[], None]]]()
    at_once = in_flight
    while waiting or launched:
        try:
            if waiting and len(launched) < at_once:
                batch = waiting.popleft()
                launched.append((batch, launch(batch)))
                continue
            batch, finish = launched.popleft()
            finish()
        except torch.OutOfMemoryError as error:
            short = str(error)
        else:
            at_once = in_flight
            budget.done(batch, sizes)
            BATCHES.inc()
            BATCH_FILL.observe(min(1.0, sizes[batch[0]] * len(batch) / budget.most))
            continue
        # Outside of the handler, whose traceback holds the batch's tensors.
        alone = not launched
        while launched:
            other, finish = launched.popleft()
            try:
                finish()
            except torch.OutOfMemoryError:
                waiting.append(other)
        torch.cuda.empty_cache()
        if alone:
            budget.halve(batch, sizes, short)
            waiting = deque(budget.cut(sizes, [*batch, *(i for later in waiting for i in later)], in_flight))
        else:
            # The others may have held the memory that it was short of: now it goes by itself.
            waiting.appendleft(batch)
            at_once = 1
    if torch.cuda.is_initialized():
        GPU_MEMORY.set(torch.cuda.memory_reserved())
