"""Which calls are an order's attempts, and what is known of each.

A fact may be missing: then a `Call` holds what it may be, and its questions are answered with a `Truth`. A call's start
may be missing too: then it is not known which calls the window holds nor which is the last, and `scenes` draws up the
ways it may have been. Almost always there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import Enum

from ringtrue import times
from ringtrue.messages import Answer, CallFacts, Order, Span
from ringtrue.outcomes import BAD, CODES, GOOD, NOBODY_REACHED, Outcome
from services.compliance.ruleset import Ruleset


class Truth(Enum):
    """YES: whatever the unknown facts may be. NO: for none of their possible values. UNKNOWN: it depends on them."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def may_be(self) -> bool:
        """Whether it holds for some value of the unknown facts."""
        return self is not Truth.NO


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the order's client, read for the order's type."""

    facts: CallFacts
    #: When it started, UTC milliseconds; None when that is not known.
    start_ms: int | None
    #: What it may have shown: one outcome when that is known.
    outcomes: frozenset[int]
    #: Why the outcome is not known.
    doubt: str | None
    #: The words that the outcome rests on.
    cited: tuple[Span, ...]
    #: None when it is not known well enough.
    rings: int | None
    polite: Truth
    own_branch: Truth
    unreachable: Truth
    valid: Truth

    @property
    def id(self) -> str:
        """The call id."""
        return self.facts.call_id

    @property
    def outcome(self) -> int | None:
        """The outcome, when it is known."""
        return None if self.doubt else next(iter(self.outcomes))


@dataclass(frozen=True, slots=True)
class Scene:
    """One way in which an order's window may have looked."""

    order: Order
    #: By start, then call id. Each has a start; an undated call that is taken to be the last has an assumed one.
    attempts: tuple[Call, ...]
    #: Undated calls: each may lie anywhere in the window before the last attempt, or outside.
    floating: tuple[Call, ...]
    #: The order was raised in the evening and the last attempt was made that same evening.
    late: bool

    @property
    def last(self) -> Call:
        """The last call; only of a scene that has attempts."""
        return self.attempts[-1]


def may_be_attempt(order: Order, call: CallFacts) -> bool:
    """Whether a call of the order's client lies in its window, or may do so because its start is not known."""
    started = call.started_at_ms
    return not call.retracted and (started is None or order.window_start_ms <= started <= order.suspended_at_ms)


def read_calls(order: Order, calls: Iterable[CallFacts], rules: Ruleset) -> tuple[list[Call], list[Call]]:
    """The calls of the order's window by start, and those whose start is not known.

    Recordings with the same external id are one call: the earliest start stands for it (one with a start before one
    without), then the lesser call id.
    """
    distinct: dict[str, CallFacts] = {}
    for call in sorted((call for call in calls if not call.retracted), key=_by_start):
        distinct.setdefault(f"external {call.external_id}" if call.external_id else call.call_id, call)
    inside = [_read(call, order, rules) for call in distinct.values() if may_be_attempt(order, call)]
    return [call for call in inside if call.start_ms is not None], [call for call in inside if call.start_ms is None]


def scenes(order: Order, calls: Iterable[CallFacts], rules: Ruleset) -> tuple[Scene, ...]:
    """The ways in which the window may have looked; the first is the one in which no undated call is the last.

    Calls that count towards a spaced triple only help when they start later, so of all the starts that an undated last
    call may have, the earliest and the latest of each part of the day stand for the rest.
    """
    dated, undated = read_calls(order, calls, rules)
    evening = late_hours(order, rules)
    first = _scene(order, dated, undated if dated else [], evening)
    return (first, *_scenes_with_an_undated_last(order, dated, undated, evening))


def _scenes_with_an_undated_last(
    order: Order, dated: list[Call], undated: list[Call], evening: range
) -> Iterable[Scene]:
    for last in undated:
        others = [call for call in undated if call is not last]
        soonest = order.window_start_ms
        if dated and dated[-1].start_ms is not None:
            soonest = dated[-1].start_ms + (last.id < dated[-1].id)
        possible = range(soonest, order.suspended_at_ms + 1)
        before = range(possible.start, min(possible.stop, evening.start))
        during = range(max(possible.start, evening.start), min(possible.stop, evening.stop))
        after = range(max(possible.start, evening.stop), possible.stop)
        for part in (before, during, after):
            for start_ms in sorted({part[0], part[-1]}) if part else ():
                yield _scene(order, [*dated, replace(last, start_ms=start_ms)], others, evening)


def _scene(order: Order, attempts: Sequence[Call], floating: Sequence[Call], evening: range) -> Scene:
    late = bool(attempts) and attempts[-1].start_ms in evening
    return Scene(order, tuple(attempts), tuple(floating), late)


def late_hours(order: Order, rules: Ruleset) -> range:
    """When a last call makes the order a late one: the rest of the day on which it was raised late; else empty."""
    raised = times.local(order.ordered_at_ms, rules.zone)
    if raised.time() < rules.late_from:
        return range(order.suspended_at_ms + 1, order.suspended_at_ms + 1)
    begin = times.to_utc_ms(datetime.combine(raised.date(), rules.late_from), rules.zone)
    end = times.to_utc_ms(datetime.combine(raised.date() + timedelta(days=1), time.min), rules.zone)
    return range(begin, end)


def _by_start(call: CallFacts) -> tuple[bool, int, str]:
    return call.started_at_ms is None, call.started_at_ms or 0, call.call_id


def _read(facts: CallFacts, order: Order, rules: Ruleset) -> Call:
    answer = facts.acquisition if order.kind == "ACQUISITION" else facts.sav
    doubt = _doubt(facts, answer)
    outcomes: frozenset[int] = frozenset(CODES[order.kind])
    if answer and not doubt:
        outcomes = frozenset({answer.outcome})
    sure = facts.ring_confidence is None or facts.ring_confidence >= rules.min_ring_confidence
    rings = facts.ring_count if sure else None
    return Call(
        facts=facts,
        start_ms=facts.started_at_ms,
        outcomes=outcomes,
        doubt=doubt,
        cited=answer.cited if answer else (),
        rings=rings,
        polite=_polite(facts.behaviour, doubt),
        own_branch=_own_branch(facts.branch, rules.branch_of(order.kind, order.category)),
        unreachable=_among(outcomes, NOBODY_REACHED),
        valid=_valid(outcomes, rings, facts.voicemail_tone, rules.min_rings),
    )


def _doubt(facts: CallFacts, answer: Answer | None) -> str | None:
    if facts.status == "failed":
        return "call_failed"
    if facts.status == "partial":
        return "transcript_partial"
    return "outcome_unknown" if answer is None or answer.outcome == Outcome.NOT_CLASSIFIED else None


def _among(possible: frozenset[int], wanted: frozenset[Outcome]) -> Truth:
    if possible <= wanted:
        return Truth.YES
    return Truth.UNKNOWN if possible & wanted else Truth.NO


def _valid(outcomes: frozenset[int], rings: int | None, voicemail_tone: bool | None, min_rings: int) -> Truth:
    """A valid attempt: unreachable, and when nothing was said, the phone was left to ring."""
    if outcomes != {Outcome.SILENCE}:
        return _among(outcomes, frozenset({Outcome.UNREACHABLE}))
    if min_rings == 0 or voicemail_tone or (rings is not None and rings >= min_rings):
        return Truth.YES
    return Truth.UNKNOWN if rings is None or voicemail_tone is None else Truth.NO


def _polite(behaviour: int | None, doubt: str | None) -> Truth:
    if doubt in {"call_failed", "transcript_partial"} or behaviour not in {BAD, GOOD}:
        return Truth.UNKNOWN
    return Truth.YES if behaviour == GOOD else Truth.NO


def _own_branch(branch: str | None, expected: str) -> Truth:
    if not branch:
        return Truth.UNKNOWN
    return Truth.YES if branch.casefold().strip() == expected.casefold() else Truth.NO
