"""Checks of the evidence: what is odd about an order's attempts. They warn; the operator may make one of them a rule.

A check looks at the attempts and tells what it suspects, with its evidence. A suspicion is certain when the facts leave
no other reading. As a rule (`checks_that_count`) a check fails by a certain one only, and is undetermined by any other,
or when facts that it needs are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ringtrue import fingerprint
from ringtrue.messages import Evidence, Finding
from ringtrue.outcomes import NOBODY_REACHED, Outcome
from services.compliance.attempts import Call, Scene
from services.compliance.rules import Result, declared_unreachable
from services.compliance.ruleset import Ruleset
from services.compliance.words import Words

#: Each of so many attempts, the last ones, is compared with the others: a number that is called all day long must not
#: hold up the rest. And of so many is cited what is odd.
_MOST_COMPARED, _MOST_CITED = 30, 50
#: Longer than the pause between two rings anywhere (5 s; ITU-T E.180, supplement 2): what ends within it ended ringing.
_PAUSE_MS = 6_000


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something odd, and what it rests on."""

    evidence: tuple[Evidence, ...]
    #: Whether the facts leave no other reading.
    certain: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the table."""

    name: str
    #: Raised whenever its meaning changes.
    version: int
    #: The reason code of what it finds.
    reason: str
    suspects: Callable[[Scene, Ruleset, Words], Iterable[Suspicion]]
    #: Whether all that it asks of a call is known.
    knows: Callable[[Call], bool]
    parameters: tuple[str, ...]
    applies: Callable[[Scene, Ruleset], bool] = lambda scene, rules: True
    #: Attempts that it looks at; of an order that has more, not all is known.
    most: int | None = None


def _same_audio(scene: Scene, rules: Ruleset, words: Words) -> Iterable[Suspicion]:
    sounds: list[Call] = []
    for other in scene.attempts[-_MOST_COMPARED:]:
        # What is alike to one sound need not be compared with the others that are.
        alike = ((one, _alike(one, other, rules.same_audio_similarity)) for one in sounds)
        one, match = next(((one, match) for one, match in alike if match), (other, None))
        if match is None:
            sounds.append(other)
            continue
        yield Suspicion(
            tuple(
                Evidence(
                    call_id=call.id,
                    start_ms=start_ms,
                    end_ms=end_ms,
                    fact=words.say("same_audio", call=twin.id, share=round(100 * match.similarity)),
                )
                for call, twin, start_ms, end_ms in (
                    (one, other, match.start_ms, match.end_ms),
                    (other, one, match.other_start_ms, match.other_end_ms),
                )
            ),
            # Nobody says the same twice in the same voice at the same pace. A machine does: the announcement that a
            # phone is off is the same each time, and so may be a call that only rings.
            certain=_talked(one) and _talked(other),
        )


def _alike(one: Call, other: Call, least_similarity: float) -> fingerprint.Match | None:
    a, b = _sound(one), _sound(other)
    return fingerprint.compare(a, b, least_similarity) if a and b else None


def _sound(call: Call) -> bytes | None:
    """The fingerprint, unless it is damaged or of another version: that is no reason to stop judging."""
    made = call.facts.fingerprint
    return made if made is not None and fingerprint.is_readable(made) else None


def _talked(call: Call) -> bool:
    return call.outcome is not None and call.outcome not in NOBODY_REACHED


def _recording_length(scene: Scene, rules: Ruleset, words: Words) -> Iterable[Suspicion]:
    for call in scene.attempts:
        facts = call.facts
        if facts.started_at_ms is None or facts.ended_at_ms is None or facts.duration_ms is None:
            continue
        told_ms = facts.ended_at_ms - facts.started_at_ms
        if facts.status == "complete" and told_ms >= 0 and abs(told_ms - facts.duration_ms) > rules.length_tolerance_ms:
            fact = words.say("length", heard=round(facts.duration_ms / 1000), told=round(told_ms / 1000))
            # Recorders and uploads break off, too: a reason to look, and no accusation.
            yield Suspicion(
                (Evidence(call_id=call.id, start_ms=0, end_ms=facts.duration_ms, fact=fact),), certain=False
            )


def _early_hang_up(scene: Scene, rules: Ruleset, words: Words) -> Iterable[Suspicion]:
    for call in scene.attempts:
        facts = call.facts
        rang = call.outcome == Outcome.SILENCE and call.rings is not None and 0 < call.rings < rules.min_rings
        answered = facts.voicemail_tone is not False or facts.busy_tone is not False
        if not rang or answered or facts.duration_ms is None or not facts.rings:
            continue
        last = facts.rings[-1]
        if facts.duration_ms - last.end_ms <= _PAUSE_MS:
            fact = words.say("hung_up", count=call.rings or 0, after=round((facts.duration_ms - last.end_ms) / 1000, 1))
            yield Suspicion(
                (Evidence(call_id=call.id, start_ms=last.start_ms, end_ms=facts.duration_ms, fact=fact),), certain=True
            )


def _start_times(scene: Scene, rules: Ruleset, words: Words) -> Iterable[Suspicion]:
    for call in scene.attempts:
        started, ended, arrived = (call.facts.started_at_ms, call.facts.ended_at_ms, call.facts.arrived_at_ms)
        if started is None:
            continue
        if ended is not None and ended < started:
            yield _odd_time(call, words.say("ends_first", ended=words.moment(ended), started=words.moment(started)))
        if arrived is not None and arrived + rules.clock_tolerance_ms < started:
            fact = words.say("from_future", started=words.moment(started), arrived=words.moment(arrived))
            yield _odd_time(call, fact)
    for one, following in pairwise(scene.attempts):
        ended, started = one.facts.ended_at_ms, following.facts.started_at_ms
        if ended is not None and started is not None and started + rules.clock_tolerance_ms < ended:
            fact = words.say("overlaps", started=words.moment(started), ended=words.moment(ended), call=one.id)
            yield _odd_time(following, fact)


def _odd_time(call: Call, fact: str) -> Suspicion:
    # Clocks are set wrong, and an hour occurs twice when they are put back: a reason to look, and no accusation.
    return Suspicion((Evidence(call_id=call.id, fact=fact),), certain=False)


def _rings_are_asked_for(scene: Scene, rules: Ruleset) -> bool:
    return declared_unreachable(scene.order) and rules.min_rings > 0


CHECKS: tuple[Check, ...] = (
    Check(
        "same_audio",
        1,
        "audio_used_twice",
        _same_audio,
        lambda call: _sound(call) is not None and call.outcome is not None,
        ("same_audio_similarity",),
        most=_MOST_COMPARED,
    ),
    Check(
        "recording_length",
        1,
        "length_differs",
        _recording_length,
        lambda call: call.facts.status == "complete" and None not in (call.facts.ended_at_ms, call.facts.duration_ms),
        ("length_tolerance",),
    ),
    Check(
        "early_hang_up",
        1,
        "hung_up_early",
        _early_hang_up,
        lambda call: (
            None
            not in (
                call.outcome,
                call.rings,
                call.facts.voicemail_tone,
                call.facts.busy_tone,
                call.facts.duration_ms,
            )
        ),
        ("min_rings", "min_ring_confidence"),
        _rings_are_asked_for,
    ),
    Check(
        "start_times",
        1,
        "impossible_times",
        _start_times,
        lambda call: None not in (call.facts.ended_at_ms, call.facts.arrived_at_ms),
        ("clock_tolerance",),
    ),
)


def look(
    check: Check, scenes: Sequence[Scene], rules: Ruleset, words: Words, *, only_suspicions: bool
) -> Finding | None:
    """What a check finds; of one that only warns, what it suspects.

    It looks at the attempts that are sure ones; a call without a date may be one, and leaves the rest unknown.
    """
    scene = scenes[0]
    applies = any(scene.attempts for scene in scenes) and check.applies(scene, rules)
    suspicions = list(check.suspects(scene, rules, words)) if applies else []
    if only_suspicions and not suspicions:
        return None
    result, reason = Result.NOT_APPLICABLE, None
    if applies:
        looked_at_all = check.most is None or len(scene.attempts) <= check.most
        all_known = looked_at_all and len(scenes) == 1 and all(map(check.knows, scene.attempts))
        if any(suspicion.certain for suspicion in suspicions):
            result, reason = Result.FAILED, check.reason
        elif suspicions:
            result, reason = Result.UNDETERMINED, check.reason
        else:
            result, reason = (Result.PASSED, None) if all_known else (Result.UNDETERMINED, "evidence_unknown")
    return Finding(
        rule=check.name,
        version=check.version,
        result=result.value,
        reason=reason,
        comment=_comment(check, result, reason, words),
        parameters={name: str(getattr(rules, name)) for name in check.parameters},
        evidence=tuple(evidence for suspicion in suspicions for evidence in suspicion.evidence)[:_MOST_CITED],
    )


def _comment(check: Check, result: Result, reason: str | None, words: Words) -> str:
    if reason is None:
        return words.passed(check.name) if result is Result.PASSED else ""
    return words.undetermined(check.name, reason) if result is Result.UNDETERMINED else words.reason(reason)
