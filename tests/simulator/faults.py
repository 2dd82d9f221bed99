"""What goes wrong, and when: by a seeded generator, or by a list."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Fault(Enum):
    """What may happen at a call."""

    KILL_BEFORE = "the process dies before the call has any effect"
    KILL_AFTER = "the process dies after the effect of the call"
    FREEZE = "the process stands still for longer than a session, then makes the call"
    GIVEN_UP = "the call is given up without effect"
    LATE = "the request stays under way for long; the caller is told that it timed out"
    ANSWER_LOST = "the request takes effect; the caller is told that it timed out"
    TWICE = "as before, and a second copy of the request is still under way"
    REQUEST_LOST = "the request does not arrive; the caller is told that it timed out"
    KILL_SENT = "the process dies while the request is under way; it arrives later"


class Plan(Protocol):
    """Decides what goes wrong."""

    def at(self, process: str, name: str) -> Fault | None:
        """The fault of this call of a process, if any."""


class NoFaults:
    """Nothing goes wrong."""

    def at(self, process: str, name: str) -> Fault | None:
        """See `Plan`."""
        return None


#: What may go wrong where. Calls that end or fill a transaction are few; faults there are the interesting ones.
MAY_HAPPEN: Mapping[str, Sequence[Fault]] = {
    "init_transactions": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE, Fault.GIVEN_UP, Fault.ANSWER_LOST),
    "begin_transaction": (Fault.KILL_BEFORE, Fault.FREEZE),
    "produce": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE),
    "flush": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE, Fault.GIVEN_UP),
    "send_offsets_to_transaction": tuple(Fault),
    "commit_transaction": tuple(Fault),
    "abort_transaction": tuple(Fault),
    "committed": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE, Fault.GIVEN_UP),
    "get_watermark_offsets": (Fault.KILL_BEFORE, Fault.GIVEN_UP),
    "list_offsets": (Fault.KILL_BEFORE, Fault.GIVEN_UP),
    "poll": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE),
    "consume": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE),
    "assign": (Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.FREEZE),
    "subscribe": (Fault.KILL_AFTER, Fault.FREEZE),
    "memberid": (Fault.FREEZE,),
    "consumer_group_metadata": (Fault.FREEZE,),
}
#: Calls that are made so often that a fault at each would leave no time for work.
_OFTEN = frozenset({"poll", "consume", "produce", "flush"})


class Seeded:
    """Faults by a generator.

    Args:
        rng: The generator.
        rate: How probable a fault is at a call that is not made often.
        kinds: The only ones that happen.
    """

    def __init__(self, rng: random.Random, rate: float, kinds: Iterable[Fault] = tuple(Fault)) -> None:
        self._rng = rng
        self._rate = rate
        self._faults = {name: [one for one in faults if one in set(kinds)] for name, faults in MAY_HAPPEN.items()}

    def at(self, process: str, name: str) -> Fault | None:
        """See `Plan`."""
        faults = self._faults.get(name)
        if not faults or not self._rate:
            return None
        if self._rng.random() >= self._rate * (0.1 if name in _OFTEN else 1.0):
            return None
        return self._rng.choice(faults)


@dataclass(frozen=True, slots=True)
class Listed:
    """Faults by a list: what happens at the n-th call of a name, counted over all processes from 0."""

    faults: Mapping[tuple[str, int], Fault]
    counts: dict[str, int]

    def at(self, process: str, name: str) -> Fault | None:
        """See `Plan`."""
        number = self.counts.get(name, 0)
        self.counts[name] = number + 1
        return self.faults.get((name, number))
