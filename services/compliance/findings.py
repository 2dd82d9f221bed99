"""A rule's result in words, with the reason and the evidence that it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from ringtrue.messages import Evidence, Finding
from ringtrue.outcomes import Outcome
from services.compliance.attempts import Call, Scene, Truth
from services.compliance.phrases import found_in
from services.compliance.rules import Result, Rule, said_in
from services.compliance.ruleset import Ruleset
from services.compliance.spacing import find_triple
from services.compliance.words import Words

_FAILED = {
    "last_call": "reached_someone",
    "attempts": "too_few_attempts",
    "interval": "no_spaced_triple",
    "rings": "too_few_rings",
    "declaration": "declaration_differs",
    "branch": "other_branch",
    "behaviour": "bad_behaviour",
    "required_phrases": "phrase_missing",
    "forbidden_phrases": "phrase_forbidden",
}


def describe(
    rule: Rule, result: Result, lack: str | None, scenes: Sequence[Scene], rules: Ruleset, words: Words
) -> Finding:
    """The finding of a rule.

    Args:
        rule: The rule.
        result: What it says.
        lack: Why it is undetermined although it failed on the calls that are known; None when it is not.
        scenes: The ways in which the order's window may have looked.
        rules: The parameters in force.
        words: The language of the comment and the facts.
    """
    shown = next((scene for scene in scenes if scene.attempts), scenes[0])
    reason, comment, evidence = None, "", list[Evidence]()
    if result is Result.PASSED:
        comment = words.passed(rule.name)
        evidence = _evidence(rule, result, shown, rules, words)
    elif result is Result.FAILED:
        reason = _FAILED[rule.name] if shown.attempts else "no_call_found"
        comment = words.reason(reason, shown.last.outcome if shown.attempts else None)
        evidence = _evidence(rule, result, shown, rules, words)
    elif result is Result.UNDETERMINED and lack:
        reason = lack
        comment = words.undetermined(rule.name, reason)
        evidence = _evidence(rule, Result.FAILED, shown, rules, words)
    elif result is Result.UNDETERMINED:
        doubts = _doubts(rule, scenes, rules)
        reason = doubts[0][0]
        comment = words.undetermined(rule.name, reason)
        evidence = [_doubtful(call, why, words) for why, call in doubts]
    elif shown.late and rule.name in {"attempts", "interval"} and rule.holds(shown, rules) is None:
        reason = "late_order"
        comment = words.reason(reason)
    return Finding(
        rule=rule.name,
        version=rule.version,
        result=result.value,
        reason=reason,
        comment=comment,
        parameters={name: _parameter(name, shown, rules) for name in rule.parameters},
        evidence=tuple(evidence),
    )


def _parameter(name: str, scene: Scene, rules: Ruleset) -> str:
    if name == "branch":
        return rules.branch_of(scene.order.kind, scene.order.category)
    if name in {"required_phrases", "forbidden_phrases"}:
        return "; ".join(getattr(rules, name).get(scene.order.kind, ()))
    return str(getattr(rules, name))


def _doubts(rule: Rule, scenes: Sequence[Scene], rules: Ruleset) -> list[tuple[str, Call]]:
    """The unknown facts that the rule depends on: the reason code and the call of each."""
    undecided = next((scene for scene in scenes if rule.holds(scene, rules) is Truth.UNKNOWN), None)
    found = _facts_in_doubt(rule, undecided, rules) if undecided else []
    undated = {call.id: call for scene in scenes for call in (*scene.attempts, *scene.floating) if _undated(call)}
    return found or [("date_unknown", call) for call in undated.values()]


def _facts_in_doubt(rule: Rule, scene: Scene, rules: Ruleset) -> list[tuple[str, Call]]:
    match rule.name:
        case "interval":
            triple = find_triple(scene, lambda call: call.unreachable, rules.min_gap_ms)
            suspects = [(call, call.unreachable) for call in triple.calls] if triple else []
        case "rings" if not scene.late:
            triple = find_triple(scene, lambda call: call.valid, rules.min_gap_ms)
            suspects = [(call, call.valid) for call in triple.calls] if triple else []
        case "branch":
            return [("branch_unknown", call) for call in scene.attempts if call.own_branch is Truth.UNKNOWN]
        case "attempts":
            return []
        case "required_phrases" | "forbidden_phrases":
            return [("call_failed" if scene.last.facts.status == "failed" else "transcript_partial", scene.last)]
        case _:
            suspects = [(scene.last, Truth.UNKNOWN)]
    unsure = [(_why(rule, call), call) for call, counts in suspects if counts is Truth.UNKNOWN]
    return unsure + [("date_unknown", call) for call, counts in suspects if counts is Truth.YES and _undated(call)]


def _why(rule: Rule, call: Call) -> str:
    if call.doubt:
        return call.doubt
    return "rings_unknown" if rule.name == "rings" else "outcome_unknown"


def _undated(call: Call) -> bool:
    return call.facts.started_at_ms is None


def _evidence(rule: Rule, result: Result, scene: Scene, rules: Ruleset, words: Words) -> list[Evidence]:
    if not scene.attempts:
        return []
    match rule.name:
        case "attempts":
            return [_called(call, words) for call in scene.attempts]
        case "interval":
            triple = find_triple(scene, lambda call: call.unreachable, rules.min_gap_ms)
            return [_called(call, words) for call in (triple.calls if triple else scene.attempts)]
        case "rings" if scene.late:
            return _rung(scene.last, words)
        case "rings":
            calls = _valid_triple(scene, rules) if result is Result.PASSED else fullest_triple(scene, rules)
            return [fact for call in calls for fact in _rung(call, words)]
        case "branch":
            blamed = [call for call in scene.attempts if result is Result.PASSED or call.own_branch is Truth.NO]
            return [_fact(call, words.say("branch", branch=call.facts.branch or "?")) for call in blamed]
        case "behaviour":
            return [_fact(scene.last, words.say("polite" if scene.last.polite is Truth.YES else "rude"))]
        case "required_phrases":
            asked = rules.required_phrases.get(scene.order.kind, ())
            return _spoken(scene.last, asked, words, found=result is Result.PASSED)
        case "forbidden_phrases":
            asked = rules.forbidden_phrases.get(scene.order.kind, ())
            return _spoken(scene.last, asked, words, found=result is not Result.PASSED)
        case _:
            return _shown(scene.last, words)


def _spoken(call: Call, phrases: Sequence[str], words: Words, *, found: bool) -> list[Evidence]:
    """The phrases that were said, each with its place where it lies in words that are cited; or those that were not."""
    said = said_in(call, phrases)
    if not found:
        return [_fact(call, words.say("unsaid", text=phrase)) for phrase in phrases if phrase not in said]
    evidence = []
    for phrase in said:
        span = next((span for span in call.cited if found_in(span.text, [phrase])), None)
        fact = words.say("said", text=phrase)
        start_ms, end_ms = (span.start_ms, span.end_ms) if span else (None, None)
        evidence.append(Evidence(call_id=call.id, start_ms=start_ms, end_ms=end_ms, fact=fact))
    return evidence


def _valid_triple(scene: Scene, rules: Ruleset) -> tuple[Call, ...]:
    triple = find_triple(scene, lambda call: call.valid, rules.min_gap_ms)
    return triple.calls if triple else ()


def fullest_triple(scene: Scene, rules: Ruleset) -> tuple[Call, ...]:
    """The spaced triple whose fewest rings are greatest, unknown counts left aside; all attempts when there is none."""
    for fewest in sorted({call.rings for call in scene.attempts if call.rings is not None}, reverse=True):

        def rang(call: Call, fewest: int = fewest) -> Truth:
            enough = call.rings is None or call.rings >= fewest
            return Truth.YES if call.unreachable.may_be and not _undated(call) and enough else Truth.NO

        if triple := find_triple(scene, rang, rules.min_gap_ms):
            return triple.calls
    return scene.attempts


def _called(call: Call, words: Words) -> Evidence:
    start_ms = call.facts.started_at_ms
    return _fact(
        call, words.reason("date_unknown") if start_ms is None else words.say("called", moment=words.moment(start_ms))
    )


def _shown(call: Call, words: Words) -> list[Evidence]:
    """What the call showed, with the words that say so."""
    outcomes = " / ".join(words.outcome(code) for code in sorted(call.outcomes))
    quotes = [
        Evidence(
            call_id=call.id,
            start_ms=span.start_ms,
            end_ms=span.end_ms,
            fact=words.say("quoted", outcome=outcomes, text=span.text),
        )
        for span in call.cited
    ]
    return quotes or [_fact(call, outcomes)]


def _rung(call: Call, words: Words) -> list[Evidence]:
    """How a valid or silent attempt rang; of one that was announced unreachable, the announcement."""
    if call.outcome != Outcome.SILENCE:
        return _shown(call, words)
    return [_rings(call, words)]


def _rings(call: Call, words: Words) -> Evidence:
    count = "?" if call.rings is None else call.rings
    fact = words.say("voicemail" if call.facts.voicemail_tone else "rings", count=count)
    if not call.facts.rings:
        return _fact(call, fact)
    return Evidence(
        call_id=call.id, start_ms=call.facts.rings[0].start_ms, end_ms=call.facts.rings[-1].end_ms, fact=fact
    )


def _doubtful(call: Call, why: str, words: Words) -> Evidence:
    if why == "rings_unknown":
        return _rings(call, words)
    failure = call.facts.failure
    if failure and why in {"call_failed", "transcript_partial"}:
        return _fact(call, words.say("failure", reason=words.reason(why), message=failure.message))
    return _fact(call, words.reason(why))


def _fact(call: Call, fact: str) -> Evidence:
    return Evidence(call_id=call.id, fact=fact)
