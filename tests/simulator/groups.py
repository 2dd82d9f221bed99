"""The group coordinator (classic protocol): members, generations, sessions, and committed positions.

A member is asked to rejoin through its heartbeats, and a rebalance ends when all members have rejoined, or its
time-out has removed those that have not; static members stay, until their session expires.

Source: Kafka, `GroupMetadataManager` and `ClassicGroup`.
"""

from collections.abc import Mapping

from confluent_kafka import KafkaError

from tests.simulator.members import Answer, Assignment, GroupMember, Joined, Phase, Share
from tests.simulator.partition import Refused
from tests.simulator.positions import Place, Position, Positions
from tests.simulator.schedule import Schedule


class Group:
    """One group.

    Args:
        name: The group's id.
        schedule: Turns and time.
    """

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name = name
        self.phase = Phase.EMPTY
        self.generation = 0
        self.positions = Positions()
        self._schedule = schedule
        self._members = dict[str, GroupMember]()
        self._static = dict[str, str]()  # instance -> member id
        self._leader: str | None = None
        self._round = 0  # counts rebalances that were begun
        self._count = 0

    # --- membership

    def join(
        self,
        member_id: str,
        instance: str | None,
        topics: tuple[str, ...],
        session_s: float,
        rebalance_s: float,
        answer: Answer,
    ) -> None:
        """JoinGroup. The answer comes when the rebalance is done."""
        if not member_id:
            self._count += 1
            fresh = f"{instance or 'member'}-{self._count:06}"
            known = self._members.get(self._static.get(instance or "", ""))
            if known is not None:
                self._replace(known, fresh, topics, answer)
                return
            member = GroupMember(fresh, instance, topics, session_s, rebalance_s, self._schedule.now())
            self._members[fresh] = member
            self._expect(member)
            if instance is not None:
                self._static[instance] = fresh
            member.joining = answer
            self._prepare()
            return
        try:
            member = self._known(member_id, instance)
        except Refused as refused:
            answer(refused)
            return
        unchanged = member.topics == topics
        member.topics = topics
        if self.phase is Phase.STABLE and unchanged and member_id != self._leader:
            member.heard_at = self._schedule.now()
            answer(Joined(member_id, self.generation))
        elif self.phase is Phase.COMPLETING and unchanged:
            answer(self._joined(member))
        else:
            member.joining = answer
            self._prepare()

    def sync(self, member_id: str, instance: str | None, generation: int, share: Share) -> None:
        """SyncGroup of a follower."""
        try:
            member = self._current(member_id, instance, generation)
        except Refused as refused:
            share(refused)
            return
        if self.phase is Phase.STABLE:
            share(member.assignment)
        elif self.phase is Phase.COMPLETING:
            member.syncing = share
        else:
            share(Refused(KafkaError.REBALANCE_IN_PROGRESS))

    def divide(
        self, member_id: str, instance: str | None, generation: int, shares: Mapping[str, Assignment], share: Share
    ) -> None:
        """SyncGroup of the leader, who has divided the partitions."""
        try:
            leader = self._current(member_id, instance, generation)
        except Refused as refused:
            share(refused)
            return
        if self.phase is Phase.PREPARING:
            share(Refused(KafkaError.REBALANCE_IN_PROGRESS))
            return
        leader.syncing = share
        self.phase = Phase.STABLE
        for member in self._in_order():
            member.assignment = shares.get(member.id, ())
            waiting, member.syncing = member.syncing, None
            if waiting is not None:
                waiting(member.assignment)

    def heartbeat(self, member_id: str, instance: str | None, generation: int) -> None:
        """Heartbeat.

        Raises:
            Refused: The group has gone on, or wants its members to rejoin.
        """
        member = self._current(member_id, instance, generation)
        member.heard_at = self._schedule.now()
        if self.phase is Phase.PREPARING:
            raise Refused(KafkaError.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str) -> None:
        """LeaveGroup."""
        if member_id in self._members:
            self._remove(member_id)

    @property
    def members(self) -> Mapping[str, Assignment]:
        """What each member has, by its instance or member id."""
        return {member.order: member.assignment for member in self._in_order()}

    # --- positions

    def commit(
        self, positions: Mapping[Place, Position], member_id: str, instance: str | None, generation: int
    ) -> None:
        """OffsetCommit.

        Raises:
            Refused: The member is not of this generation.
        """
        self._check_commit(member_id, instance, generation, transactional=False)
        self.positions.update(positions)

    def commit_pending(
        self,
        producer: int,
        positions: Mapping[Place, Position],
        member_id: str,
        instance: str | None,
        generation: int,
    ) -> None:
        """TxnOffsetCommit. Who sends neither member id nor generation is not checked.

        Raises:
            Refused: The member is not of this generation.
        """
        self._check_commit(member_id, instance, generation, transactional=True)
        self.positions.pend(producer, positions)

    # --- within

    def _check_commit(self, member_id: str, instance: str | None, generation: int, *, transactional: bool) -> None:
        if generation < 0 and self.phase is Phase.EMPTY:
            return
        if generation >= 0 or member_id or instance is not None:
            self._current(member_id, instance, generation)
        elif not transactional:
            raise Refused(KafkaError.UNKNOWN_MEMBER_ID)
        if not transactional and self.phase is Phase.COMPLETING:
            raise Refused(KafkaError.REBALANCE_IN_PROGRESS)

    def _known(self, member_id: str, instance: str | None) -> GroupMember:
        if instance is not None:
            current = self._static.get(instance)
            if current is None:
                raise Refused(KafkaError.UNKNOWN_MEMBER_ID)
            if current != member_id:
                raise Refused(KafkaError.FENCED_INSTANCE_ID)
        if member_id not in self._members:
            raise Refused(KafkaError.UNKNOWN_MEMBER_ID)
        return self._members[member_id]

    def _current(self, member_id: str, instance: str | None, generation: int) -> GroupMember:
        member = self._known(member_id, instance)
        if generation != self.generation:
            raise Refused(KafkaError.ILLEGAL_GENERATION)
        return member

    def _replace(self, known: GroupMember, fresh: str, topics: tuple[str, ...], answer: Answer) -> None:
        """A process has come back in a static member's place: the older one is fenced."""
        old = known.id
        del self._members[old]
        known.id = fresh
        self._members[fresh] = known
        self._static[known.instance or ""] = fresh
        self._turn_away(known, KafkaError.FENCED_INSTANCE_ID)
        known.heard_at = self._schedule.now()
        if self._leader == old:
            self._leader = fresh
        unchanged, known.topics = known.topics == topics, topics
        if self.phase is Phase.STABLE and unchanged:
            answer(Joined(fresh, self.generation))  # its share is as before; nobody else notices
        else:
            known.joining = answer
            self._prepare()

    def _prepare(self) -> None:
        """Begins a rebalance, or goes on with one."""
        if self.phase is not Phase.PREPARING:
            self.phase = Phase.PREPARING
            self._round += 1
            turn = self._round
            for member in self._in_order():
                waiting, member.syncing = member.syncing, None
                if waiting is not None:
                    waiting(Refused(KafkaError.REBALANCE_IN_PROGRESS))
            longest = max((member.rebalance_s for member in self._members.values()), default=0.0)
            self._schedule.at(longest, lambda: self._give_up_waiting(turn))
        self._try_complete()

    def _give_up_waiting(self, turn: int) -> None:
        if self.phase is not Phase.PREPARING or self._round != turn:
            return
        for member in self._in_order():
            if member.joining is None and member.instance is None:
                self._forget(member)
        joined = [member for member in self._in_order() if member.joining is not None]
        if joined or not self._members:
            self._complete()
        else:  # only static members, and none of them has come: wait for their sessions to end
            self._schedule.at(1.0, lambda: self._give_up_waiting(turn))

    def _try_complete(self) -> None:
        if all(member.joining is not None for member in self._members.values()):
            self._complete()

    def _complete(self) -> None:
        self.generation += 1
        if not self._members:
            self.phase = Phase.EMPTY
            self._leader = None
            return
        self.phase = Phase.COMPLETING
        joined = [member for member in self._in_order() if member.joining is not None]
        if self._leader not in {member.id for member in joined}:
            self._leader = joined[0].id
        for member in joined:
            waiting, member.joining = member.joining, None
            member.heard_at = self._schedule.now()
            if waiting is not None:
                waiting(self._joined(member))

    def _joined(self, member: GroupMember) -> Joined:
        if member.id != self._leader:
            return Joined(member.id, self.generation)
        return Joined(member.id, self.generation, {one.id: (one.order, one.topics) for one in self._in_order()})

    def _expect(self, member: GroupMember) -> None:
        """Removes the member when it is not heard of for a session."""

        def look() -> None:
            if self._members.get(member.id) is not member:
                return
            if member.joining is not None or member.syncing is not None:
                left_s = min(1.0, member.session_s)  # who waits for a rebalance need not send heartbeats
            else:
                left_s = member.heard_at + member.session_s - self._schedule.now()
            if left_s > 0:
                self._schedule.at(left_s, look)
            else:
                self._remove(member.id)

        self._schedule.at(member.session_s, look)

    def _remove(self, member_id: str) -> None:
        self._forget(self._members[member_id])
        if self.phase is Phase.PREPARING:
            self._try_complete()
        else:
            self._prepare()

    def _forget(self, member: GroupMember) -> None:
        del self._members[member.id]
        self._turn_away(member, KafkaError.UNKNOWN_MEMBER_ID)
        if member.instance is not None and self._static.get(member.instance) == member.id:
            del self._static[member.instance]

    @staticmethod
    def _turn_away(member: GroupMember, code: int) -> None:
        """Refuses what the member is waiting for."""
        for waiting in (member.joining, member.syncing):
            if waiting is not None:
                waiting(Refused(code))
        member.joining = member.syncing = None

    def _in_order(self) -> list[GroupMember]:
        return sorted(self._members.values(), key=lambda one: one.order)
