"""Members of a group as the coordinator knows them, what it answers them, and how their leader divides partitions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from tests.simulator.partition import Refused
from tests.simulator.positions import Place

Assignment = tuple[Place, ...]


class Phase(Enum):
    """Of a group."""

    EMPTY = "empty"
    PREPARING = "preparing"
    COMPLETING = "completing"
    STABLE = "stable"


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a JoinGroup. The leader sees all members: their instance or member id, and their topics."""

    member: str
    generation: int
    members: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def leads(self) -> bool:
        """Whether this member is to divide the partitions."""
        return bool(self.members)


Answer = Callable[[Joined | Refused], None]
Share = Callable[[Assignment | Refused], None]


@dataclass(eq=False)
class GroupMember:
    """A member as the coordinator knows it."""

    id: str
    instance: str | None
    topics: tuple[str, ...]
    session_s: float
    rebalance_s: float
    heard_at: float
    assignment: Assignment = ()
    joining: Answer | None = None  # waits for the rebalance
    syncing: Share | None = None  # waits for the leader's division

    @property
    def order(self) -> str:
        """By what assignors sort: static members by instance id, so that their shares survive a restart."""
        return self.instance or self.id


def divide(members: Mapping[str, tuple[str, tuple[str, ...]]], partitions: Mapping[str, int]) -> dict[str, Assignment]:
    """The range assignor: each topic's partitions in consecutive ranges over the members in their order."""
    shares = {member: list[tuple[str, int]]() for member in members}
    for topic in sorted({topic for _, topics in members.values() for topic in topics}):
        readers = sorted((order, member) for member, (order, topics) in members.items() if topic in topics)
        each, more = divmod(partitions.get(topic, 0), len(readers))
        first = 0
        for index, (_, member) in enumerate(readers):
            count = each + (index < more)
            shares[member] += [(topic, number) for number in range(first, first + count)]
            first += count
    return {member: tuple(share) for member, share in shares.items()}
