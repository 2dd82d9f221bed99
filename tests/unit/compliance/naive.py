"""The rules a second time, from domain.md's table and nothing else, as slow and as plain as can be.

An order's unknown facts are completed in every way, each completion is judged with all facts known, and the four
results follow by their definition: a rule passes when it fails in none, fails when it holds in none and applies in all.
Nothing here is taken from `services.compliance`; the parameters come in as the fields of a rules file.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ringtrue.messages import Answer, CallFacts, Order

HOUR_MS = 3_600_000
RULES = (
    "last_call",
    "attempts",
    "interval",
    "rings",
    "declaration",
    "branch",
    "behaviour",
    "required_phrases",
    "forbidden_phrases",
)
_CASABLANCA = ZoneInfo("Africa/Casablanca")
_FOR_WANT_OF_CALLS = ("attempts", "interval", "rings")
_ANOTHER_BRANCH = "a branch that no order has"


@dataclass(frozen=True)
class Parameters:
    """The numbers of domain.md."""

    zone: ZoneInfo = _CASABLANCA
    min_attempts: int = 3
    min_gap: timedelta = timedelta(hours=2)
    min_rings: int = 5
    min_ring_confidence: float = 0.9
    min_branch_calls: int = 3
    late_from: time = time(17)
    behaviour_counts: bool = False
    required_phrases: tuple[str, ...] = ()
    forbidden_phrases: tuple[str, ...] = ()


def verdict(order: Order, calls: Sequence[CallFacts], p: Parameters, lack: str | None = None) -> str:
    """The order's verdict; `lack` says why calls may be missing."""
    found = results(order, calls, p, lack)
    if not p.behaviour_counts:
        del found["behaviour"]
    if "failed" in found.values():
        return "non_compliant"
    return "to_review" if "undetermined" in found.values() else "compliant"


def results(order: Order, calls: Sequence[CallFacts], p: Parameters, lack: str | None = None) -> dict[str, str]:
    """Each rule's result by the definition."""
    values: dict[str, set[bool | None]] = {rule: set() for rule in RULES}
    for completed in completions(order, calls, p):
        nobody = not any(_is_inside(order, call) for call in completed)
        for rule, holds in _judged(order, completed, p).items():
            # More calls than are known might mend what fails for want of calls.
            may_be_mended = lack and holds is False and (rule in _FOR_WANT_OF_CALLS or nobody)
            values[rule] |= {True, False} if may_be_mended else {holds}
    found = {rule: _result(values[rule]) for rule in RULES}
    if found["interval"] == "failed":
        found["rings"] = "not_applicable"
    return found


def _result(values: set[bool | None]) -> str:
    if values == {None}:
        return "not_applicable"
    if False not in values:
        return "passed"
    return "failed" if values == {False} else "undetermined"


def completions(order: Order, calls: Sequence[CallFacts], p: Parameters) -> Iterator[tuple[CallFacts, ...]]:
    """The calls with every combination of possible values in place of what is not known.

    A start that is not known is tried at every half hour of the window and outside of it: enough where all the other
    times are whole hours.
    """
    possible = [list(_completed(order, call, p)) for call in _counted_once(calls)]
    return itertools.product(*possible)


def _counted_once(calls: Sequence[CallFacts]) -> list[CallFacts]:
    kept: list[CallFacts] = []
    for call in calls:
        same = [c for c in calls if c is call or (call.external_id and c.external_id == call.external_id)]
        same = [c for c in same if not c.retracted]
        first = min(same, key=lambda c: (c.started_at_ms is None, c.started_at_ms or 0, c.call_id), default=None)
        if call is first:
            kept.append(call)
    return kept


def _completed(order: Order, call: CallFacts, p: Parameters) -> Iterator[CallFacts]:
    answer = call.acquisition if order.kind == "ACQUISITION" else call.sav
    whole = call.status == "complete"
    outcomes = {0, 3, 4, order.motif_outcome}  # one for each way in which the rules tell outcomes apart
    if whole and answer is not None and answer.outcome != 9:
        outcomes = {answer.outcome}
    counts: tuple[int, ...] = (0, p.min_rings)
    if call.ring_count is not None and not (
        call.ring_confidence is not None and call.ring_confidence < p.min_ring_confidence
    ):
        counts = (call.ring_count,)
    tones = (True, False) if call.voicemail_tone is None else (call.voicemail_tone,)
    branches = (own_branch(order), _ANOTHER_BRANCH) if call.branch is None else (call.branch,)
    behaviours = (call.behaviour,) if whole and call.behaviour in (0, 1) else (0, 1)
    texts = tuple(_possible_texts(call, p))
    starts = _possible_starts(order) if call.started_at_ms is None else (call.started_at_ms,)
    for outcome, count, tone, branch, behaviour, text, start in itertools.product(
        outcomes, counts, tones, branches, behaviours, texts, starts
    ):
        shown = Answer(outcome=outcome, score=1.0, cited=())
        yield replace(
            call,
            acquisition=shown,
            sav=shown,
            ring_count=count,
            voicemail_tone=tone,
            branch=branch,
            behaviour=behaviour,
            transcript=text,
            started_at_ms=start,
        )


def _possible_texts(call: CallFacts, p: Parameters) -> Iterator[str]:
    """What may have been said: of a partial call anything before, between and after the lines that are known."""
    if call.status == "complete" and call.transcript is not None:
        yield call.transcript
    elif not p.required_phrases and not p.forbidden_phrases:
        yield ""
    else:
        known = (call.transcript or "").splitlines() if call.status == "partial" else []
        required, forbidden = " ".join(p.required_phrases), " ".join(p.forbidden_phrases)
        for said in ("", "hm", required, forbidden, f"{required} hm {forbidden}"):
            yield f" {said} ".join(["", *known, ""])


def _possible_starts(order: Order) -> tuple[int, ...]:
    return (
        order.window_start_ms - HOUR_MS,
        *range(order.window_start_ms, order.suspended_at_ms + 1, HOUR_MS // 2),
    )


def _is_inside(order: Order, call: CallFacts) -> bool:
    return order.window_start_ms <= _start(call) <= order.suspended_at_ms


def own_branch(order: Order) -> str:
    """The branch that an order's calls must come from."""
    technology = "ADSL" if order.category == "ADSL" else "FTTH_VULA"
    return f"{technology}_{'SAV' if order.kind == 'SAV' else 'INSTALL'}"


def _judged(order: Order, calls: Sequence[CallFacts], p: Parameters) -> dict[str, bool | None]:
    """Each rule on complete facts: holds, or not, or (None) does not apply."""
    inside = [call for call in calls if _is_inside(order, call)]
    inside.sort(key=lambda call: (_start(call), call.call_id))
    unreached = order.motif_outcome == 3
    found: dict[str, bool | None] = dict.fromkeys(RULES)
    if not inside:
        found["attempts" if unreached else "declaration"] = False
        return found
    last = inside[-1]
    own = [call.branch == own_branch(order) for call in inside]
    found["branch"] = own[-1]
    found["behaviour"] = last.behaviour != 0
    if p.required_phrases:
        found["required_phrases"] = all(_says(last, phrase) for phrase in p.required_phrases)
    if p.forbidden_phrases:
        found["forbidden_phrases"] = not any(_says(last, phrase) for phrase in p.forbidden_phrases)
    if not unreached:
        found["declaration"] = _outcome(last) == order.motif_outcome
        return found
    found["branch"] = own[-1] and (sum(own) >= p.min_branch_calls or all(own))
    found["last_call"] = _outcome(last) in (0, 3)
    if _is_late(order, last, p):
        found["rings"] = _is_valid(last, p)
        return found
    found["attempts"] = len(inside) >= p.min_attempts
    found["interval"] = _spaced([call for call in inside if _outcome(call) in (0, 3)], p)
    found["rings"] = _spaced([call for call in inside if _is_valid(call, p)], p)
    return found


def _outcome(call: CallFacts) -> int | None:
    return call.acquisition.outcome if call.acquisition else None


def _start(call: CallFacts) -> int:
    return call.started_at_ms or 0


def _is_valid(call: CallFacts, p: Parameters) -> bool:
    rung = (call.ring_count or 0) >= p.min_rings or bool(call.voicemail_tone)
    return _outcome(call) == 3 or (_outcome(call) == 0 and rung)


def _spaced(calls: Sequence[CallFacts], p: Parameters) -> bool:
    gap_ms = p.min_gap.total_seconds() * 1000
    return any(
        _start(b) - _start(a) >= gap_ms and _start(c) - _start(b) >= gap_ms
        for a, b, c in itertools.combinations(calls, 3)
    )


def _is_late(order: Order, last: CallFacts, p: Parameters) -> bool:
    raised, called = _local(order.ordered_at_ms, p), _local(_start(last), p)
    return raised.time() >= p.late_from and called.time() >= p.late_from and raised.date() == called.date()


def _local(utc_ms: int, p: Parameters) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=utc_ms)).astimezone(p.zone)


def _says(call: CallFacts, phrase: str) -> bool:
    said, asked = _words(call.transcript or ""), _words(phrase)
    return any(said[at : at + len(asked)] == asked for at in range(len(said)))


def _words(text: str) -> list[str]:
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return re.findall(r"\w+", plain.lower())
