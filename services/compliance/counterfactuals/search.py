"""What would have changed an order's verdict: the smallest changes after which the very rules say something else.

Each change that is listed was tried: the order was judged again with it, in every way that its words leave open. Single
changes come first; when none is enough, two of them, or as many as it takes, each of them needed.

- Of an order that is not compliant: one more call and when it would have served, a fact of a call, another motif.
- Of one that is to be reviewed: what each unknown fact may turn out to be, and what that leads to.
- Of a compliant one: the facts that it hangs on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, islice

from ringtrue.messages import CallFacts, Order
from ringtrue.outcomes import Language
from services.compliance.attempts import Truth
from services.compliance.checks import CHECKS
from services.compliance.counterfactuals.hypothetical import Given, knowing_all_calls, starting
from services.compliance.counterfactuals.suppositions import Supposition
from services.compliance.counterfactuals.trial import VERDICTS, Counterfactual, Trial
from services.compliance.rules import Result, lacks_calls
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import Knowledge, has_a_say

_CHECKS = frozenset(check.name for check in CHECKS)
#: More would not be read.
_MOST_LISTED = 5
#: Of one kind, so that other kinds are seen, too.
_MOST_OF_A_KIND = 2
#: Of a verdict to be reviewed, those for the better.
_MOST_FOR_BETTER = 3
#: Further calls that are looked for, and changes that are told as one.
_MOST_ADDED, _MOST_TOGETHER = 3, 4
#: Calls that are judged again to find pairs of changes: a call takes some 0.05 ms, an order's calls all together.
_MOST_JUDGED = 6000


def would_change(
    order: Order, calls: Iterable[CallFacts], knowledge: Knowledge, rules: Ruleset, language: Language
) -> tuple[Counterfactual, ...]:
    """What would have changed an order's verdict, at most five changes; see above.

    Args:
        order: The order.
        calls: The calls of its client.
        knowledge: How much of its window is known.
        rules: The rules in force.
        language: Of the words.
    """
    if "same_audio" not in rules.checks_that_count:
        calls = (replace(call, fingerprint=None) for call in calls)  # comparing takes time, and no verdict asks for it
    given = Given(order, tuple(calls), knowledge)
    trial = Trial(given, rules, language)
    match trial.now.verdict:
        case "compliant":
            return tuple(_what_it_hangs_on(trial))
        case "to_review":
            return tuple(_what_is_open(trial, given, rules))
        case _:
            return tuple(_what_would_have_spared_it(trial, rules))


def _what_it_hangs_on(trial: Trial) -> list[Counterfactual]:
    """The facts without which a compliant order would not be one, those of a kind together."""
    facts = [one for fact in trial.supposed.facts if fact.holds is Truth.YES for one in fact.worse]
    alike = dict[tuple[object, ...], list[tuple[Supposition, Counterfactual]]]()
    for one in (*trial.supposed.without(), *facts):
        if found := trial.together([one], VERDICTS):
            alike.setdefault((one.phrase, one.values.get("phrases"), found.verdict), []).append((one, found))
    return [_one_of(trial, group) for group in alike.values()][:_MOST_LISTED]


def _one_of(trial: Trial, alike: Sequence[tuple[Supposition, Counterfactual]]) -> Counterfactual:
    """Several changes that differ in the call alone, told as one."""
    one, found = alike[0]
    calls = [one.call for one, _ in alike if one.call]
    tried = tuple(given for _, each in alike for given in each.tried)
    return Counterfactual(found.verdict, found.change, trial.teller.say(one.phrase, calls, **one.values), tried)


def _what_is_open(trial: Trial, given: Given, rules: Ruleset) -> list[Counterfactual]:
    """What the unknown facts of an order to be reviewed may turn out to be, for better and for worse."""
    supposed = trial.supposed
    unknown = [fact for fact in supposed.facts if fact.holds is Truth.UNKNOWN]
    before_ms = given.order.window_start_ms - 1
    outside = [
        Supposition("start", f"start {call.id}", (starting(call.id, before_ms),), "outside", call)
        for call in supposed.undated
    ]
    calls_may_lack = given.knowledge.lack(rules) is not None
    complete = [Supposition("calls", "calls", (knowing_all_calls,), "complete")] if calls_may_lack else []

    def reaching(verdict: str, pool: Sequence[Supposition], added: str) -> list[Counterfactual]:
        wanted = {verdict}
        found = [one for call in supposed.doubted for one in trial.outcomes(call, wanted)]
        found += trial.one_more_call([], wanted, added) if added else []
        found += _single(trial, [one for one in pool if one.kind != "outcome"], wanted)
        found += [one for call in supposed.undated for one in trial.dated(call, wanted)]
        return found or _several(trial, pool, wanted, added)

    better = [*outside, *(one for fact in unknown for one in fact.better)]
    worse = [*outside, *complete, *(one for fact in unknown for one in fact.worse)]
    for_better = reaching("compliant", better, "recovered" if calls_may_lack else "")
    for_worse = reaching("non_compliant", worse, "")
    room = max(_MOST_FOR_BETTER, _MOST_LISTED - len(for_worse))
    return [*for_better[:room], *for_worse][:_MOST_LISTED] or _named(trial, rules, Result.UNDETERMINED, "open")


def _what_would_have_spared_it(trial: Trial, rules: Ruleset) -> list[Counterfactual]:
    """What an order that is not compliant lacks."""
    supposed = trial.supposed
    better = [one for fact in supposed.facts if fact.holds is not Truth.YES for one in fact.better]
    motifs = list(supposed.motifs())
    found = [*trial.one_more_call([], VERDICTS, "added"), *_single(trial, better, VERDICTS)]
    found += _single(trial, motifs, VERDICTS[:1])
    found += _single(trial, _without_what_is_odd(trial), VERDICTS[:1])
    found = found or _several(trial, [*better, *motifs], VERDICTS, "added")
    found.sort(key=lambda one: VERDICTS.index(one.verdict or ""))
    return [*_of_several_kinds(found), *_what_is_not_enough(trial, found, rules)]


def _what_is_not_enough(trial: Trial, found: Sequence[Counterfactual], rules: Ruleset) -> Iterator[Counterfactual]:
    """That one more call is not enough where calls are wanting; what is wrong where nothing is enough."""
    wants_calls = any(lacks_calls(one) for one in trial.now.findings if one.result == Result.FAILED.value)
    if wants_calls and trial.may_look_for_times and not any("added_call" in one.change for one in found):
        yield _note(trial, "no_added_call", **trial.teller.window())
    if not found:
        yield from _named(trial, rules, Result.FAILED, "no_small_change")


def _without_what_is_odd(trial: Trial) -> list[Supposition]:
    """Each call left out that a check of the evidence fails by, where that check is a rule."""
    failed = [one for one in trial.now.findings if one.result == Result.FAILED.value and one.rule in _CHECKS]
    odd = {fact.call_id for one in failed for fact in one.evidence}
    return [one for one in trial.supposed.without() if one.call and one.call.id in odd]


def _single(trial: Trial, pool: Iterable[Supposition], wanted: Collection[str]) -> list[Counterfactual]:
    """Each change that is enough by itself, of one fact the first."""
    found = dict[str, Counterfactual]()
    for one in pool:
        if one.about not in found and (enough := trial.together([one], wanted)):
            found[one.about] = enough
    return list(found.values())


def _several(trial: Trial, pool: Sequence[Supposition], wanted: Collection[str], added: str) -> list[Counterfactual]:
    """The fewest changes that are enough together; with further calls, told as `added`, unless that is empty."""
    found = dict[tuple[int, frozenset[str]], Counterfactual]()
    for one, other in islice(combinations(pool, 2), _MOST_JUDGED // (1 + len(trial.supposed.dated))):
        about = 0, frozenset({one.about, other.about})
        if one.about != other.about and about not in found and (enough := trial.together([one, other], wanted)):
            found[about] = enough
    for count in range(1 + (_MOST_ADDED if added and trial.may_look_for_times else 0)):
        changes, moments = _as_many_as_it_takes(trial, pool, count, wanted)
        about = len(moments), frozenset(change.about for change in changes)
        if len(moments) == 1:
            enough = next(trial.one_more_call(changes, wanted, added), None)
        else:
            enough = trial.together(changes, wanted, moments, added)
        if enough:
            found.setdefault(about, enough)
    fewest = min((count + len(about) for count, about in found), default=0)
    if fewest > _MOST_TOGETHER:
        return []
    return [enough for (count, about), enough in found.items() if count + len(about) == fewest][:_MOST_OF_A_KIND]


def _as_many_as_it_takes(
    trial: Trial, pool: Sequence[Supposition], count: int, wanted: Collection[str]
) -> tuple[list[Supposition], tuple[int, ...]]:
    """All changes of calls at once, with `count` further calls, and then without each that is not needed.

    None at all where even they would not be enough.
    """
    changes = [one for one in pool if one.kind != "motif"]
    # Of one fact the first supposition is the most general, the last the most exact.
    general = {one.about: one for one in reversed(changes)}
    exact = {one.about: one for one in changes}
    for moments in trial.places(count):
        verdict = trial.verdict(list(exact.values()), moments)
        if verdict not in wanted or verdict == trial.now.verdict:
            continue
        needed = dict(exact)
        for about in exact:
            rest = {other: one for other, one in needed.items() if other != about}
            if trial.verdict(list(rest.values()), moments) == verdict:
                needed = rest
        for about in needed:
            wider = needed | {about: general[about]}
            if trial.together(list(wider.values()), {verdict}, moments, "added"):
                needed = wider
        return list(needed.values()), moments
    return [], ()


def _of_several_kinds(found: Iterable[Counterfactual]) -> list[Counterfactual]:
    kinds = Counter[str]()
    listed = list[Counterfactual]()
    for one in found:
        kinds[one.change] += 1
        if kinds[one.change] <= _MOST_OF_A_KIND:
            listed.append(one)
    return listed[:_MOST_LISTED]


def _named(trial: Trial, rules: Ruleset, result: Result, phrase: str) -> list[Counterfactual]:
    """A remark for each rule with a say that has this result."""
    found = [one for one in trial.now.findings if one.result == result.value and has_a_say(one, rules)]
    return [_note(trial, phrase, comment=one.comment) for one in found]


def _note(trial: Trial, phrase: str, **values: object) -> Counterfactual:
    return Counterfactual(None, "none", trial.teller.say(phrase, **values))
