"""An order's verdict: every rule judged, described and summed up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

from pydantic_core import to_json

from ringtrue.digest import digest
from ringtrue.messages import Attempt, CallFacts, Finding, Order
from ringtrue.outcomes import Language
from services.compliance.attempts import Call, Scene, Truth, scenes
from services.compliance.checks import CHECKS, look
from services.compliance.findings import describe
from services.compliance.rules import RULES, Result, Rule, judge
from services.compliance.ruleset import Ruleset
from services.compliance.words import Words

#: What is known of a call, without what only says when it became known.
_facts = attrgetter(
    *(field.name for field in fields(CallFacts) if field.name not in {"run", "revision", "event_time_ms"})
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """How much of what happened in an order's window is known to us."""

    #: Every recording from the window's start on is known to be registered.
    covered_from_start: bool = True
    #: Recordings registered in the window's hours, and those of them without a client number.
    registered: int = 0
    unassigned: int = 0

    def lack(self, rules: Ruleset) -> str | None:
        """Why calls may be missing; None when all are known."""
        if not self.covered_from_start:
            return "coverage_incomplete"
        if self.unassigned > rules.unassigned_tolerance * self.registered:
            return "recordings_unassigned"
        return None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the rules say of an order."""

    #: compliant, non_compliant, to_review or pending.
    verdict: str
    #: One per rule in force, in the rules' order; none while pending.
    findings: tuple[Finding, ...]
    attempts: tuple[Attempt, ...]
    comment: str
    #: What the checks of the evidence found that are no rules.
    warnings: tuple[Finding, ...] = ()
    #: Hashes of the models that the facts come from, and of all that was judged; None while pending.
    models_hash: str | None = None
    inputs_hash: str | None = None


def evaluate(
    order: Order, calls: Iterable[CallFacts], knowledge: Knowledge, rules: Ruleset, language: Language
) -> Evaluation:
    """Judges an order by the calls of its client; those outside its window do not matter."""
    possible = scenes(order, calls, rules)
    words = Words(rules, language)
    findings: dict[str, Finding] = {}
    for rule in RULES:
        if not rule.in_force(rules):
            continue
        result, lack = _result(rule, possible, knowledge, rules, findings)
        findings[rule.name] = describe(rule, result, lack, possible, rules, words)
    warnings: list[Finding] = []
    for check in CHECKS:
        counts = check.name in rules.checks_that_count
        if found := look(check, possible, rules, words, only_suspicions=not counts):
            if counts:
                findings[check.name] = found
            else:
                warnings.append(found)
    calls = _calls(possible)
    return Evaluation(
        verdict=_verdict(findings, rules),
        findings=tuple(findings.values()),
        attempts=_attempts(possible[0]),
        comment="; ".join(finding.comment for finding in findings.values() if _is_named(finding, rules)),
        warnings=tuple(warnings),
        models_hash=digest(to_json(sorted({call.models or "" for call in calls}))),
        inputs_hash=digest(
            to_json(
                # Not how many recordings others had in these hours, which changes nothing by itself.
                (order, [_facts(call) for call in calls], knowledge.lack(rules), knowledge.unassigned),
                bytes_mode="base64",
            )
        ),
    )


def _calls(possible: Iterable[Scene]) -> list[CallFacts]:
    """The calls that were judged, by id."""
    calls = {call.id: call.facts for scene in possible for call in (*scene.attempts, *scene.floating)}
    return [calls[call_id] for call_id in sorted(calls)]


def pending(
    order: Order, calls: Iterable[CallFacts], waiting_for: tuple[str, ...], rules: Ruleset, language: Language
) -> Evaluation:
    """What is said of an order until everything it waits for is there: its attempts so far, and no finding."""
    attempts = scenes(order, calls, rules)[0]
    comment = Words(rules, language).say("pending", waiting="; ".join(waiting_for))
    return Evaluation("pending", (), _attempts(attempts), comment)


def _result(
    rule: Rule, possible: tuple[Scene, ...], knowledge: Knowledge, rules: Ruleset, findings: dict[str, Finding]
) -> tuple[Result, str | None]:
    if rule.name == "rings" and findings["interval"].result == Result.FAILED.value:
        return Result.NOT_APPLICABLE, None
    result = judge(rule, possible, rules)
    may_lack_calls = rule.may_lack_calls or not possible[0].attempts
    lack = knowledge.lack(rules) if result is Result.FAILED and may_lack_calls else None
    return (Result.UNDETERMINED, lack) if lack else (result, None)


def _verdict(findings: dict[str, Finding], rules: Ruleset) -> str:
    results = {finding.result for finding in findings.values() if has_a_say(finding, rules)}
    if Result.FAILED.value in results:
        return "non_compliant"
    return "to_review" if Result.UNDETERMINED.value in results else "compliant"


def has_a_say(finding: Finding, rules: Ruleset) -> bool:
    """Whether the verdict depends on it."""
    return finding.rule != "behaviour" or rules.behaviour_counts


def _is_named(finding: Finding, rules: Ruleset) -> bool:
    """Whether the overall comment names it; what is only reported is named when it was bad."""
    if finding.result == Result.UNDETERMINED.value:
        return has_a_say(finding, rules)
    return finding.result == Result.FAILED.value


def _attempts(scene: Scene) -> tuple[Attempt, ...]:
    return tuple(_attempt(call, call.start_ms) for call in scene.attempts if call.start_ms is not None)


def _attempt(call: Call, start_ms: int) -> Attempt:
    polite = {Truth.YES: 1, Truth.NO: 0, Truth.UNKNOWN: None}
    return Attempt(
        call_id=call.id,
        started_at_ms=start_ms,
        status=call.facts.status,
        outcome=call.outcome,
        behaviour=polite[call.polite],
        ring_count=call.rings,
        ring_confidence=call.facts.ring_confidence,
        voicemail_tone=call.facts.voicemail_tone,
        branch=call.facts.branch,
    )
