"""What a verdict is made from, and the ways in which it may have been otherwise. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ringtrue.fingerprint import Fingerprint
from ringtrue.messages import CallFacts, Order
from ringtrue.outcomes import label
from services.compliance.phrases import normalised
from services.compliance.verdict import Knowledge


@dataclass(frozen=True, slots=True)
class Given:
    """All that a verdict is made from."""

    order: Order
    calls: tuple[CallFacts, ...]
    knowledge: Knowledge


#: How long a call takes, where that does not matter.
_USUAL_MS = 30_000
#: What is known again in no other recording.
_QUIET = bytes(Fingerprint.of(_USUAL_MS, b"", b"", (), ()))

#: Something given, as it would have been.
Way = Callable[[Given], Given]
#: A call, as it would have been.
Edit = Callable[[CallFacts], CallFacts]


def edited(call_id: str, *edits: Edit) -> Way:
    """One call as it would have been."""

    def one(facts: CallFacts) -> CallFacts:
        for edit in edits:
            facts = edit(facts)
        return facts

    return lambda given: replace(
        given, calls=tuple(one(call) if call.call_id == call_id else call for call in given.calls)
    )


def declaring(outcome: int) -> Way:
    """With another motif."""
    return lambda given: replace(given, order=replace(given.order, motif=label(outcome), motif_outcome=outcome))


def leaving_out(call: CallFacts) -> Way:
    """Without a call and the other recordings of it."""

    def is_it(other: CallFacts) -> bool:
        same = call.external_id and other.external_id == call.external_id
        return other.call_id == call.call_id or bool(same)

    return lambda given: replace(given, calls=tuple(one for one in given.calls if not is_it(one)))


def adding(*calls: CallFacts) -> Way:
    """With more calls."""
    return lambda given: replace(given, calls=(*given.calls, *calls))


def starting(call_id: str, start_ms: int) -> Way:
    """With a call at a time, UTC milliseconds."""
    return edited(call_id, lambda facts: replace(facts, started_at_ms=start_ms))


def knowing_all_calls(given: Given) -> Given:
    """As if it were known that there are no other calls."""
    return replace(given, knowledge=Knowledge())


def ringing(*counts: int) -> tuple[Edit, ...]:
    """It rang so often, for sure."""
    return tuple(lambda facts, count=count: replace(facts, ring_count=count, ring_confidence=None) for count in counts)


def followed(voicemail: bool) -> Edit:
    """Whether a voicemail tone followed."""
    return lambda facts: replace(facts, voicemail_tone=voicemail)


def rung(least: int) -> tuple[Edit, ...]:
    """It rang often enough, or a voicemail followed."""
    return _heard(least, voicemail=False), _heard(0, voicemail=True)


def heard(open_question: str, least: int) -> tuple[tuple[Edit, ...], tuple[Edit, ...]]:
    """How rings that are not known may have been: enough, and not enough.

    Args:
        open_question: `rings` and `voicemail` where only that is not known, else `rung`.
        least: How many rings are enough.
    """
    match open_question:
        case "rings":
            return ringing(least), ringing(least - 1, 0)
        case "voicemail":
            return (followed(True),), (followed(False),)
        case _:
            return rung(least), (_heard(least - 1, voicemail=False), _heard(0, voicemail=False))


def in_order(facts: CallFacts) -> CallFacts:
    """What only the checks of the evidence ask for is known and in order, wherever it is not known."""
    started_ms, ended_ms = facts.started_at_ms, facts.ended_at_ms
    lasted_ms = ended_ms - started_ms if started_ms is not None and ended_ms is not None else _USUAL_MS
    duration_ms = lasted_ms if facts.duration_ms is None else facts.duration_ms
    if ended_ms is None and started_ms is not None:
        ended_ms = started_ms + duration_ms
    return replace(
        facts,
        duration_ms=duration_ms,
        ended_at_ms=ended_ms,
        arrived_at_ms=ended_ms if facts.arrived_at_ms is None else facts.arrived_at_ms,
        busy_tone=bool(facts.busy_tone),
        ring_count=facts.ring_count or 0,
        voicemail_tone=bool(facts.voicemail_tone),
        fingerprint=facts.fingerprint or _QUIET,
    )


def saying(phrases: Sequence[str]) -> Edit:
    """These were said, too."""
    return lambda facts: replace(facts, transcript="\n".join([facts.transcript or "", *phrases]))


def not_saying(phrases: Sequence[str]) -> Edit:
    """None of these was said, and all else."""
    unwanted = [normalised(phrase) for phrase in phrases]

    def removed(line: str) -> str:
        said = normalised(line)
        while found := [phrase for phrase in unwanted if phrase in said]:
            said = said.replace(found[0], " ")
        return said

    def edit(facts: CallFacts) -> CallFacts:
        said = facts.transcript or ""
        lines = said.splitlines() if facts.status == "partial" else [said]
        return replace(facts, transcript="\n".join(removed(line) for line in lines))

    return edit


def _heard(count: int, *, voicemail: bool) -> Edit:
    return lambda facts: replace(facts, ring_count=count, ring_confidence=None, voicemail_tone=voicemail)
