"""Trying suppositions: an order is judged again as it would have been, and what comes of it is put into words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations, islice, product

from ringtrue.outcomes import Language
from services.compliance.attempts import Call
from services.compliance.counterfactuals.hypothetical import Given, Way, adding, starting
from services.compliance.counterfactuals.placing import good_times, stretches
from services.compliance.counterfactuals.suppositions import Supposition, Suppositions
from services.compliance.counterfactuals.words import Teller
from services.compliance.rules import declared_unreachable
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import evaluate

#: The verdicts that an order can come to, the better ones first.
VERDICTS = ("compliant", "to_review", "non_compliant")
#: An order of more attempts does not fail for want of calls; looking for times among so many would take seconds.
_MOST_ATTEMPTS = 40
#: Of the ways that words leave open and of the places of several calls, so many are tried, some 0.3 ms each.
_MOST_WAYS, _MOST_PLACES = 32, 1000
#: Stretches of time that are named.
_MOST_STRETCHES = 3


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A change and the verdict that it would have led to.

    Attributes:
        verdict: None when this says that no such change is to be had.
        change: What is changed, as codes, `+` between them.
        text: The same in words.
        tried: What was judged: every way that the words leave open; of a stretch of time its ends and its middle.
    """

    verdict: str | None
    change: str
    text: str
    tried: tuple[Given, ...] = ()


class Trial:
    """Judges an order as it would have been.

    Args:
        given: What its verdict is made from.
        rules: The rules in force.
        language: Of the words.

    Attributes:
        now: The evaluation without any change.
        supposed: What may be supposed of it.
        teller: Puts it into words.
    """

    def __init__(self, given: Given, rules: Ruleset, language: Language) -> None:
        self._given = given
        self._rules = rules
        self._unreached = declared_unreachable(given.order)
        self.now = evaluate(given.order, given.calls, given.knowledge, rules, language)
        self.supposed = Suppositions(given, rules)
        self.teller = Teller(given.order, self.supposed.dated, self.supposed.undated, rules, language)
        self._starts = [call.start_ms for call in self.supposed.dated if call.start_ms is not None]

    @property
    def may_look_for_times(self) -> bool:
        """Whether it is looked for times at which more calls would have served."""
        return len(self._starts) <= _MOST_ATTEMPTS

    def together(
        self, changes: Sequence[Supposition], wanted: Collection[str], moments: Sequence[int] = (), added: str = ""
    ) -> Counterfactual | None:
        """What comes of several changes at once; None when that is no wanted verdict, or not one in every way.

        Args:
            changes: The changes.
            wanted: The verdicts that count; the one that the order has never does.
            moments: When further calls would have been made, UTC milliseconds.
            added: How these are told: `added` or `recovered`.
        """
        tried = self._tried(changes, moments)
        verdict = self._unanimous(tried, wanted)
        if verdict is None:
            return None
        told = [self._added(f"{added}_several", self.teller.at(moments), len(moments))] if moments else []
        return self._listed(verdict, changes, told, tried)

    def one_more_call(
        self, changes: Sequence[Supposition], wanted: Collection[str], added: str
    ) -> Iterator[Counterfactual]:
        """When one more call would have served, with other changes or without any."""
        for verdict, when, tried in self._stretches(lambda moment: self._tried(changes, [moment]), wanted):
            yield self._listed(verdict, changes, [self._added(added, when)], tried)

    def dated(self, call: Call, wanted: Collection[str]) -> Iterator[Counterfactual]:
        """When a call would have to have been made whose start is not known."""
        for verdict, when, tried in self._stretches(lambda moment: (starting(call.id, moment)(self._given),), wanted):
            yield Counterfactual(verdict, "start", self.teller.say("dated", [call], when=when), tried)

    def outcomes(self, call: Call, wanted: Collection[str]) -> Iterator[Counterfactual]:
        """What a call would have to show whose outcome is not known."""
        by_verdict = dict[str | None, list[Supposition]]()
        for one in self.supposed.possible(call):
            by_verdict.setdefault(self._unanimous(self._tried([one]), wanted), []).append(one)
        for verdict in filter(None, by_verdict):
            group = by_verdict[verdict]
            rest = [one for other in by_verdict if other != verdict for one in by_verdict[other]]
            these, those = self._named(group, rest), self._named(rest, group)
            phrase = "proves_any" if not those else "proves" if len(these) <= len(those) else "proves_other"
            named = those if phrase == "proves_other" else these
            text = self.teller.say(phrase, [call], outcomes=named, sound=group[0].values["sound"])
            tried = tuple(given for one in group for given in self._tried([one]))
            yield Counterfactual(verdict, "outcome", text, tried)

    def verdict(self, changes: Sequence[Supposition], moments: Sequence[int] = ()) -> str:
        """What comes of several changes at once, each in the first of its ways."""
        return self._verdict(self._tried(changes, moments, most=1)[0])

    def places(self, count: int) -> Iterator[tuple[int, ...]]:
        """When so many further calls may have been made, UTC milliseconds, by day rather than by night."""
        times = good_times(self._given.order, self._starts, self._rules) if count else []
        return (tuple(sorted(chosen)) for chosen in islice(combinations(times, count), _MOST_PLACES))

    def _tried(
        self, changes: Sequence[Supposition], moments: Sequence[int] = (), *, most: int = _MOST_WAYS
    ) -> tuple[Given, ...]:
        """The order as it would have been, in every way."""
        ways = [change.ways for change in changes]
        for number, moment in enumerate(moments):
            ways.append(tuple(adding(call) for call in self.supposed.an_added_call(moment, number)))
        return tuple(reduce(_applied, chosen, self._given) for chosen in islice(product(*ways), most))

    def _unanimous(self, tried: Sequence[Given], wanted: Collection[str]) -> str | None:
        """The verdict on all of these, if it is one, another than now, and wanted."""
        verdict = self._verdict(tried[0])
        if verdict not in wanted or verdict == self.now.verdict:
            return None
        return verdict if all(self._verdict(given) == verdict for given in tried[1:]) else None

    def _one_verdict(self, tried: Sequence[Given]) -> str | None:
        """The verdict on the first and the last of these; None when they differ."""
        verdict = self._verdict(tried[0])
        return verdict if self._verdict(tried[-1]) == verdict else None

    def _stretches(
        self, tried_at: Callable[[int], tuple[Given, ...]], wanted: Collection[str]
    ) -> Iterator[tuple[str, str, tuple[Given, ...]]]:
        """The verdicts that a call's start can lead to: the times in words, and what was tried."""
        if not self.may_look_for_times:
            return
        found = stretches(
            self._given.order, self._starts, self._rules, lambda moment: self._one_verdict(tried_at(moment))
        )
        for verdict in VERDICTS:
            times = found.get(verdict, [])[:_MOST_STRETCHES]
            moments = {moment for one in times for moment in (one.first_ms, one.middle_ms, one.last_ms)}
            tried = tuple(given for moment in sorted(moments) for given in tried_at(moment))
            if tried and self._unanimous(tried, wanted) == verdict:
                yield verdict, self.teller.when(times), tried

    def _named(self, group: Sequence[Supposition], rest: Sequence[Supposition]) -> tuple[str, ...]:
        """The outcomes of a group; how a silent call rang only where that tells it from the rest."""
        apart = {one.values["outcome"] for one in rest}
        told = (
            self.teller.say(one.phrase if one.values["outcome"] in apart else "quoted", **one.values) for one in group
        )
        return tuple(dict.fromkeys(sorted(told, key=len)))

    def _listed(
        self, verdict: str, changes: Sequence[Supposition], told: Sequence[str], tried: tuple[Given, ...]
    ) -> Counterfactual:
        kinds = dict.fromkeys([*(["added_call"] if told else []), *(change.kind for change in changes)])
        texts = [
            *told,
            *(self.teller.say(one.phrase, [one.call] if one.call else [], **one.values) for one in changes),
        ]
        text = reduce(lambda first, second: self.teller.say("joined", first=first, second=second), texts)
        return Counterfactual(verdict, "+".join(kinds), text, tried)

    def _added(self, phrase: str, when: str, count: int = 1) -> str:
        if not self._unreached:
            outcome = self._given.order.motif_outcome
            return self.teller.say(f"{phrase}_showing", outcome=outcome, valid=self._valid(), when=when, count=count)
        return self.teller.say(phrase, valid=self._valid(), when=when, count=count)

    def _valid(self) -> str:
        """What a further call must be like beside what is said of it; the branch where that is a question."""
        order = self._given.order
        asked = []
        if self._unreached and self._rules.min_rings:
            asked.append(self.teller.say("valid", rings=self._rules.min_rings))
        if any(one.rule == "branch" and one.result in {"failed", "undetermined"} for one in self.now.findings):
            asked.append(self.teller.say("of_branch", branch=self._rules.branch_of(order.kind, order.category)))
        return f" ({', '.join(asked)})" if asked else ""

    def _verdict(self, given: Given) -> str:
        return evaluate(given.order, given.calls, given.knowledge, self._rules, "fr").verdict


def _applied(given: Given, way: Way) -> Given:
    return way(given)
