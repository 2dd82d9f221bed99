"""Which partitions of its group a member of the embedded log owns.

Each partition of a group has an owner and an epoch. Members divide the partitions by range over the living slots,
sorted; a member gives back what is no longer its share between two turns, and takes what is free or whose owner is
gone, raising the epoch. A commit checks the owner of every partition that it touches within its own transaction, so
a member that was thought dead and wakes up can change nothing.

A member lives while its process does (`Pulse`). Looking for a change of its share only reads.
"""

import sqlite3
import uuid
from contextlib import suppress

from ringtrue.streaming.embedded_file import LogFile
from ringtrue.streaming.port import Fenced, LogAway, PartitionsLost, Received, Subscription
from ringtrue.streaming.sqlite import transaction
from ringtrue.times import now_ms


class Claims:
    """The claims of one member, on its own connection.

    Attributes:
        owned: The epochs of the partitions it owns.
        joined: Whether it has entered the group.
    """

    def __init__(self, file: LogFile, connection: sqlite3.Connection, subscription: Subscription) -> None:
        self.owned = dict[int, int]()
        self._file = file
        self._connection = connection
        self._subscription = subscription
        self._token = uuid.uuid4().hex
        self.joined = False

    def rebalance(self) -> Received:
        """Gives back what is no longer this member's share and takes what is free of it; what has changed.

        Raises:
            Fenced: Another process has taken this slot.
        """
        if self.joined:
            with transaction(self._connection, "DEFERRED"):
                if self._present() and self._due() == self.owned:
                    return Received()
        with transaction(self._connection):
            if not self.joined or not self._present():
                self._enter()
            owned = self._due()
            group = self._subscription.group
            for number in self._held().keys() - owned.keys():
                self._connection.execute(
                    "UPDATE claims SET token = NULL WHERE grp = ? AND partition = ?", (group, number)
                )
            for number, epoch in owned.items():
                self._connection.execute(
                    """INSERT INTO claims (grp, partition, token, epoch) VALUES (?, ?, ?, ?)
                       ON CONFLICT DO UPDATE SET token = excluded.token, epoch = excluded.epoch""",
                    (group, number, self._token, epoch),
                )
                # From now on nothing that a group has still to read counts as read by all (`Topic.once_read`).
                self._connection.executemany(
                    "INSERT OR IGNORE INTO positions VALUES (?, ?, ?, 0)",
                    [(group, topic, number) for topic in self._subscription.topics],
                )
        if not self.joined:
            self._file.pulse.add(self._token)
            self.joined = True
        assigned = frozenset(number for number, epoch in owned.items() if self.owned.get(number) != epoch)
        revoked = frozenset(number for number, epoch in self.owned.items() if owned.get(number) != epoch)
        self.owned = owned
        return Received(assigned=assigned, revoked=revoked)

    def check_slot(self) -> None:
        """Raises `Fenced` when another process has taken this slot."""
        if self.joined:
            self._present()

    def check(self, touched: set[int]) -> None:
        """Lets a commit that touches these partitions through, within its transaction.

        Raises:
            Fenced: Another process has taken this slot.
            PartitionsLost: One of them is not owned any more.
        """
        self.check_slot()
        held = self._held()
        lost = sorted(number for number in touched if number not in held or held[number] != self.owned.get(number))
        if lost or not touched:
            raise PartitionsLost(
                f"partitions {lost or 'all'} of the group {self._subscription.group} belong to another member now"
            )

    def give_back(self) -> None:
        """Leaves the group."""
        group = self._subscription.group
        self._file.pulse.remove(self._token)
        with suppress(LogAway), transaction(self._connection):  # else they expire
            self._connection.execute("DELETE FROM members WHERE grp = ? AND token = ?", (group, self._token))
            self._connection.execute("UPDATE claims SET token = NULL WHERE grp = ? AND token = ?", (group, self._token))
        self.owned = {}

    def _enter(self) -> None:
        place = (self._subscription.group, self._subscription.slot)
        self._connection.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", (*place, self._token, now_ms()))

    def _present(self) -> bool:
        """Whether this member stands in its slot and lives."""
        found = self._connection.execute(
            "SELECT token FROM members WHERE grp = ? AND slot = ?", (self._subscription.group, self._subscription.slot)
        ).fetchone()
        if found is not None and found[0] != self._token:
            raise Fenced(
                f"another process has joined the group {self._subscription.group} in slot {self._subscription.slot}"
            )
        return self._token in self._living().values()

    def _living(self) -> dict[str, str]:
        """The tokens of the living members by slot. A time far ahead is as dead as one long ago: the clock was set."""
        now, timeout_ms = now_ms(), int(self._file.session_timeout_s * 1000)
        return dict(
            self._connection.execute(
                "SELECT slot, token FROM members WHERE grp = ? AND seen_ms BETWEEN ? AND ?",
                (self._subscription.group, now - timeout_ms, now + timeout_ms),
            )
        )

    def _held(self) -> dict[int, int]:
        """The epochs of the partitions that the file says are this member's."""
        query = "SELECT partition, epoch FROM claims WHERE grp = ? AND token = ?"
        return dict(self._connection.execute(query, (self._subscription.group, self._token)))

    def _due(self) -> dict[int, int]:
        """What this member should own now: its share, less what another living member has not given back yet."""
        living = self._living()
        slots = sorted(living)
        share = _range_share(slots.index(self._subscription.slot), len(slots), self._file.partitions)
        claims = {
            number: (token, epoch)
            for number, token, epoch in self._connection.execute(
                "SELECT partition, token, epoch FROM claims WHERE grp = ?", (self._subscription.group,)
            )
        }
        due = dict[int, int]()
        for number in share:
            owner, epoch = claims.get(number, (None, 0))
            if owner == self._token:
                due[number] = epoch
            elif owner not in living.values():
                due[number] = epoch + 1
        return due


def _range_share(index: int, members: int, partitions: int) -> range:
    """The partitions of the member number `index`, as Kafka's range assignor divides them."""
    each, extra = divmod(partitions, members)
    start = index * each + min(index, extra)
    return range(start, start + each + (1 if index < extra else 0))
