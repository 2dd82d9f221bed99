"""An EndTxn under way: when it arrives, when its answer is heard, and what may happen to both.

A copy of it may be on its way still when the transaction has long been ended. It carries the epoch it was sent with,
so it does nothing after a new `init_transactions`, and ends whatever transaction it meets before that.
"""

import random

from confluent_kafka import KafkaError

from tests.simulator.faults import Fault
from tests.simulator.partition import Refused
from tests.simulator.schedule import Schedule
from tests.simulator.transactions import TransactionCoordinator

#: A request that is late arrives within one of these times.
_LATE_S = (0.3, 3.0, 30.0)
#: A retriable answer is asked for again after so long (`retry.backoff.ms`).
AGAIN_S = 0.01
_TRIP_S = (0.0002, 0.005)


def late_s(rng: random.Random) -> float:
    """How long a late request is under way."""
    return rng.uniform(0, rng.choice(_LATE_S))


class Ending:
    """The end of one transaction, as the client asks for it.

    Args:
        schedule: Turns and time.
        coordinator: Whom it asks.
        transactional_id: Whose transaction.
        epoch: The epoch of the client now.
        committed: Whether it shall have effect.

    Attributes:
        known: Whether the client has heard the answer.
        lost: It went nowhere, and has to be sent again.
        refusal: The code with which it was refused; 0 when it was granted.
    """

    def __init__(
        self,
        schedule: Schedule,
        coordinator: TransactionCoordinator,
        transactional_id: str,
        epoch: int,
        *,
        committed: bool,
    ) -> None:
        self.committed = committed
        self.known = False
        self.lost = False
        self.refusal = 0
        self._schedule = schedule
        self._coordinator = coordinator
        self._id = transactional_id
        self._epoch = epoch

    def send(self, fault: Fault | None, timeout: float) -> None:
        """Sends it, as the fault has it."""
        rng = self._schedule.rng
        arrives_s, heard_s = rng.uniform(*_TRIP_S), rng.uniform(*_TRIP_S)
        if fault in (Fault.LATE, Fault.KILL_SENT):
            arrives_s = late_s(rng)
        if fault in (Fault.ANSWER_LOST, Fault.TWICE):
            heard_s = timeout + AGAIN_S  # by the next try
        self.lost = fault is Fault.REQUEST_LOST
        if not self.lost:
            self._schedule.at(arrives_s, lambda: self._arrive(heard_s))
        if fault is Fault.TWICE:
            self._schedule.at(timeout + late_s(rng), lambda: self._arrive(None))

    def _arrive(self, heard_s: float | None) -> None:
        """The coordinator gets it; nobody hears the answer to a copy."""
        refusal = 0
        try:
            self._coordinator.end(self._id, self._epoch, committed=self.committed)
        except Refused as refused:
            refusal = refused.code
        if refusal == KafkaError.CONCURRENT_TRANSACTIONS:  # markers are being written: it is sent again
            self._schedule.at(AGAIN_S, lambda: self._arrive(heard_s))
        elif heard_s is not None:
            self._schedule.at(heard_s, lambda: self._hear(refusal))

    def _hear(self, refusal: int) -> None:
        self.known = True
        self.refusal = refusal
