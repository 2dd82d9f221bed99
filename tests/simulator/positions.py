"""The positions that a group has committed, and those that wait for the end of a transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError

from tests.simulator.partition import Refused

Place = tuple[str, int]
#: `offset.metadata.max.bytes`
_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Position:
    """A committed offset and its metadata."""

    offset: int
    note: str | None = None


class Positions(dict[Place, Position]):
    """What is committed, by place."""

    def __init__(self) -> None:
        super().__init__()
        self._pending = dict[int, dict[Place, Position]]()  # by producer

    def pend(self, producer: int, positions: Mapping[Place, Position]) -> None:
        """Takes positions that become true with the producer's transaction.

        Raises:
            Refused: Their metadata is too large.
        """
        if any(len((position.note or "").encode()) > _NOTE_BYTES for position in positions.values()):
            raise Refused(KafkaError.OFFSET_METADATA_TOO_LARGE)
        self._pending.setdefault(producer, {}).update(positions)

    def mark(self, producer: int, *, committed: bool) -> None:
        """The end of a producer's transaction."""
        pending = self._pending.pop(producer, {})
        if committed:
            self.update(pending)

    def is_stable(self, places: Sequence[Place]) -> bool:
        """Whether no transaction is pending on any of these places."""
        return not any(place in pending for pending in self._pending.values() for place in places)
