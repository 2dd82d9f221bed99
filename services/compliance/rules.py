"""The rules that an order is judged by.

Each rule is a function of a `Scene`: the order's attempts with what is known of them. It answers YES (it holds), NO,
UNKNOWN (it depends on facts that are missing) or None (it does not apply). `judge` turns a rule's answers for all the
scenes that are possible into one of four results. Terms are those of the domain: an attempt is *unreachable* when its
outcome is 3 or 0, *valid* when it is 3, or 0 with enough rings or a voicemail tone; a *spaced triple* is three attempts
each `min_gap` or more after the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from ringtrue.messages import Finding, Order
from ringtrue.outcomes import Outcome
from services.compliance.attempts import Call, Scene, Truth
from services.compliance.phrases import found_in, found_in_pieces
from services.compliance.ruleset import Ruleset
from services.compliance.spacing import find_triple


class Result(Enum):
    """What a rule says of an order."""

    PASSED = "passed"
    FAILED = "failed"
    UNDETERMINED = "undetermined"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the table."""

    name: str
    #: Raised whenever the rule's meaning changes, so that an old verdict stays explainable.
    version: int
    holds: Callable[[Scene, Ruleset], Truth | None]
    #: The settings that it reads, as its findings show them: those of the ruleset, and the order's `branch`.
    parameters: tuple[str, ...] = ()
    #: More calls could only mend it, so it may fail only when all calls are known.
    may_lack_calls: bool = False
    #: The rule is in force only when the setting of its name lists something.
    optional: bool = False

    def in_force(self, rules: Ruleset) -> bool:
        """Whether orders are judged by it."""
        return not self.optional or any(getattr(rules, self.name).values())


def declared_unreachable(order: Order) -> bool:
    """Whether the declared motif is *client injoignable*; then every attempt counts, else the last one decides."""
    return order.motif_outcome == Outcome.UNREACHABLE


def last_call(scene: Scene, rules: Ruleset) -> Truth | None:
    """A client declared unreachable was not reached by the last call."""
    if not declared_unreachable(scene.order) or not scene.attempts:
        return None
    return scene.last.unreachable


def attempts(scene: Scene, rules: Ruleset) -> Truth | None:
    """A client declared unreachable was called at least `min_attempts` times."""
    if not declared_unreachable(scene.order) or scene.late:
        return None
    if len(scene.attempts) >= rules.min_attempts:
        return Truth.YES
    return Truth.UNKNOWN if len(scene.attempts) + len(scene.floating) >= rules.min_attempts else Truth.NO


def interval(scene: Scene, rules: Ruleset) -> Truth | None:
    """Three unreachable attempts lie well apart."""
    if not declared_unreachable(scene.order) or scene.late or not scene.attempts:
        return None
    return _has_triple(scene, _unreachable, rules)


def rings(scene: Scene, rules: Ruleset) -> Truth | None:
    """Three valid attempts lie well apart; of a late order the last call is valid."""
    if not declared_unreachable(scene.order) or not scene.attempts:
        return None
    return scene.last.valid if scene.late else _has_triple(scene, _valid, rules)


def declaration(scene: Scene, rules: Ruleset) -> Truth | None:
    """Any other motif is what the last call shows."""
    if declared_unreachable(scene.order):
        return None
    if not scene.attempts or scene.order.motif_outcome not in scene.last.outcomes:
        return Truth.NO
    return Truth.UNKNOWN if scene.last.doubt else Truth.YES


def branch(scene: Scene, rules: Ruleset) -> Truth | None:
    """The last call comes from the order's branch; for one declared unreachable, `min_branch_calls` attempts."""
    if not scene.attempts:
        return None
    if not declared_unreachable(scene.order):
        return scene.last.own_branch
    attempted = [call.own_branch for call in scene.attempts]
    floating = [call.own_branch for call in scene.floating]
    surely = attempted.count(Truth.YES)
    perhaps = sum(own.may_be for own in attempted + floating)
    may_fail = scene.last.own_branch is not Truth.YES or (
        surely < rules.min_branch_calls and any(own is not Truth.YES for own in attempted + floating)
    )
    may_hold = scene.last.own_branch.may_be and (
        perhaps >= rules.min_branch_calls or all(own.may_be for own in attempted)
    )
    if may_fail and may_hold:
        return Truth.UNKNOWN
    return Truth.YES if may_hold else Truth.NO


def behaviour(scene: Scene, rules: Ruleset) -> Truth | None:
    """The technician was not rude in the last call; reported only, unless `behaviour_counts`."""
    return scene.last.polite if scene.attempts else None


def required_phrases(scene: Scene, rules: Ruleset) -> Truth | None:
    """Everything that must be said was said in the last call."""
    phrases = rules.required_phrases.get(scene.order.kind, ())
    if not phrases or not scene.attempts:
        return None
    if len(said_in(scene.last, phrases)) == len(phrases):
        return Truth.YES
    return Truth.NO if heard_out(scene.last) else Truth.UNKNOWN


def forbidden_phrases(scene: Scene, rules: Ruleset) -> Truth | None:
    """Nothing that must not be said was said in the last call."""
    phrases = rules.forbidden_phrases.get(scene.order.kind, ())
    if not phrases or not scene.attempts:
        return None
    if said_in(scene.last, phrases):
        return Truth.NO
    return Truth.YES if heard_out(scene.last) else Truth.UNKNOWN


def said_in(call: Call, phrases: Sequence[str]) -> tuple[str, ...]:
    """Those of the phrases that were said in a call, whatever else was said that is not known."""
    transcript = call.facts.transcript or ""
    match call.facts.status:
        case "complete":
            return found_in(transcript, phrases)
        case "partial":
            return found_in_pieces(transcript, phrases)
        case _:
            return ()


def heard_out(call: Call) -> bool:
    """Whether all that was said in a call is known."""
    return call.facts.status == "complete" and call.facts.transcript is not None


RULES: tuple[Rule, ...] = (
    Rule("last_call", 1, last_call),
    Rule("attempts", 1, attempts, ("min_attempts", "late_from", "time_zone"), may_lack_calls=True),
    Rule("interval", 1, interval, ("min_gap", "late_from", "time_zone"), may_lack_calls=True),
    Rule(
        "rings",
        1,
        rings,
        ("min_rings", "min_ring_confidence", "min_gap", "late_from", "time_zone"),
        may_lack_calls=True,
    ),
    Rule("declaration", 1, declaration),
    Rule("branch", 1, branch, ("min_branch_calls", "branch")),
    Rule("behaviour", 1, behaviour, ("behaviour_counts",)),
    Rule("required_phrases", 2, required_phrases, ("required_phrases",), optional=True),
    Rule("forbidden_phrases", 2, forbidden_phrases, ("forbidden_phrases",), optional=True),
)


def judge(rule: Rule, scenes: Sequence[Scene], rules: Ruleset) -> Result:
    """A rule's result over every way in which the window may have looked.

    It passes when it fails in none of them, and fails when it holds in none and applies in all: a rule that may not
    even apply accuses nobody.
    """
    answers = {rule.holds(scene, rules) for scene in scenes}
    if answers == {None}:
        return Result.NOT_APPLICABLE
    if answers <= {Truth.YES, None}:
        return Result.PASSED
    return Result.FAILED if answers == {Truth.NO} else Result.UNDETERMINED


def lacks_calls(finding: Finding) -> bool:
    """Whether it is about a rule that more calls could mend."""
    return finding.reason == "no_call_found" or any(rule.may_lack_calls for rule in RULES if rule.name == finding.rule)


def _has_triple(scene: Scene, counts: Callable[[Call], Truth], rules: Ruleset) -> Truth:
    triple = find_triple(scene, counts, rules.min_gap_ms)
    if triple is None:
        return Truth.NO
    return Truth.YES if triple.certain else Truth.UNKNOWN


def _unreachable(call: Call) -> Truth:
    return call.unreachable


def _valid(call: Call) -> Truth:
    return call.valid
