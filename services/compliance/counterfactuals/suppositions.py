"""What may be supposed of an order and its calls: the single changes that `counterfactuals` tries out.

A fact that is known may have been otherwise; one that is not known may become known. The two are never mixed: of what
was lost by a failure of ours, nothing is supposed but that it becomes known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ringtrue.messages import Answer, CallFacts
from ringtrue.outcomes import BAD, CODES, GOOD, NOBODY_REACHED, Outcome
from services.compliance.attempts import Call, Truth, read_calls
from services.compliance.counterfactuals.hypothetical import (
    Edit,
    Given,
    Way,
    declaring,
    edited,
    followed,
    heard,
    in_order,
    leaving_out,
    not_saying,
    ringing,
    rung,
    saying,
)
from services.compliance.rules import declared_unreachable, heard_out, said_in
from services.compliance.ruleset import Ruleset

#: The outcomes that a manifest may declare as a motif.
_MOTIFS = frozenset(Outcome) - {Outcome.SILENCE, Outcome.OTHER, Outcome.NOT_CLASSIFIED}
#: A branch that no order has.
_ANOTHER_BRANCH = "-"


@dataclass(frozen=True, slots=True)
class Supposition:
    """One change of what is given.

    Attributes:
        kind: What is changed, as a code.
        about: The very fact: of one fact only one thing can be supposed at a time.
        ways: What its words leave open: each must lead to the same verdict.
        phrase: Its words, by their name in `words`.
        call: The call that the words name.
        values: What else the words hold.
    """

    kind: str
    about: str
    ways: tuple[Way, ...]
    phrase: str
    call: Call | None = None
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """What a rule asks of a call, and what may be supposed of it, the most general first.

    Attributes:
        holds: Whether it is as the order would have it.
        better: That it is so, or becomes known to be.
        worse: The opposite.
    """

    holds: Truth
    better: tuple[Supposition, ...]
    worse: tuple[Supposition, ...]


class Suppositions:
    """What may be supposed of an order.

    Args:
        given: What its verdict is made from.
        rules: The rules in force.

    Attributes:
        dated: Its attempts by start, as far as that is known.
        undated: The calls whose start is not known.
        doubted: The calls whose outcome is not known and matters.
        facts: What the rules ask of the calls.
    """

    def __init__(self, given: Given, rules: Ruleset) -> None:
        order = given.order
        self._order = order
        self._rules = rules
        self._unreached = declared_unreachable(order)
        self._required = rules.required_phrases.get(order.kind, ())
        self._forbidden = rules.forbidden_phrases.get(order.kind, ())
        dated, undated = read_calls(order, given.calls, rules)
        self.dated = tuple(dated)
        self.undated = tuple(undated)
        #: Any of these may be the last call.
        self._lasts = (*self.dated[-1:], *self.undated)
        asked = (*self.dated, *self.undated) if self._unreached else self._lasts
        self.doubted = tuple(call for call in asked if call.doubt)
        self.facts = (
            *(self._outcome(call) for call in asked),
            *(fact for call in asked for fact in self._rings(call)),
            *(self._branch(call) for call in asked),
            *(fact for call in self._lasts for fact in self._behaviour(call)),
            *(fact for call in self._lasts for fact in self._words(call)),
        )

    def motifs(self) -> Iterator[Supposition]:
        """Each other motif that might have been declared."""
        for code in sorted(CODES[self._order.kind] & _MOTIFS - {self._order.motif_outcome}):
            yield Supposition("motif", "motif", (declaring(code),), "motif", values={"outcome": code})

    def without(self) -> Iterator[Supposition]:
        """Each attempt, left out."""
        for call in self.dated:
            yield Supposition("call", f"call {call.id}", (leaving_out(call.facts),), "without", call)

    def possible(self, call: Call) -> Iterator[Supposition]:
        """Each outcome that a call may have whose outcome is not known; the words name the outcome alone."""
        least = self._rules.min_rings
        for code in sorted(CODES[self._order.kind]):
            values = {"outcome": code, "rings": least, "sound": self._is_taken_for_sound(call)}
            if code == Outcome.SILENCE and self._unreached and (asked := self._open_question(call)):
                for found, edits in zip(("enough", "few"), heard(asked, least), strict=True):
                    ways = tuple(edited(call.id, self._knowing(call, code), edit) for edit in edits)
                    shown = values | {"heard": f"{found}_{asked}"}
                    yield Supposition("outcome", f"outcome {call.id}", ways, "silence", call, shown)
            else:
                ways = (edited(call.id, self._knowing(call, code)),)
                yield Supposition("outcome", f"outcome {call.id}", ways, "quoted", call, values)

    def an_added_call(self, start_ms: int, number: int) -> Iterator[CallFacts]:
        """A call as the order would have had it, in each way that does as well."""
        # Of calls that start together the greater id is the last: where one does, it may be either.
        together = any(call.start_ms == start_ms for call in self.dated)
        for call_id in (f"~{number}", f" {number}") if together else (f"~{number}",):
            yield from self._added_calls(start_ms, call_id)

    def _added_calls(self, start_ms: int, call_id: str) -> Iterator[CallFacts]:
        call = CallFacts(
            call_id=call_id,
            client_number=self._order.client_number,
            run=1,
            revision=1,
            retracted=False,
            final=True,
            status="complete",
            started_at_ms=start_ms,
            branch=self._rules.branch_of(self._order.kind, self._order.category),
            behaviour=GOOD,
            ring_count=0,
            voicemail_tone=False,
            rings=(),
            transcript="\n".join(self._required),
            event_time_ms=0,
        )
        if self._rules.checks_that_count:
            call = in_order(call)
        yield self._showing(self._order.motif_outcome)(call)
        if self._unreached:
            silent = self._showing(Outcome.SILENCE)(call)
            yield from (edit(silent) for edit in rung(self._rules.min_rings))

    def _open_question(self, call: Call) -> str | None:
        """What decides whether a call is valid, if silent, and is not known: `rings`, `voicemail` or both, `rung`."""
        least, tone = self._rules.min_rings, call.facts.voicemail_tone
        if least == 0 or tone or (call.rings is not None and call.rings >= least):
            return None
        if call.rings is None:
            return "rung" if tone is None else "rings"
        return "voicemail" if tone is None else None

    def _is_taken_for_sound(self, call: Call) -> bool:
        """Whether more is supposed of a call whose outcome becomes known: that nothing else is amiss in it."""
        communication = self._rules.behaviour_counts and call.polite is Truth.UNKNOWN
        words = bool(self._required or self._forbidden) and not heard_out(call)
        evidence = bool(self._rules.checks_that_count) and in_order(call.facts) != call.facts
        return evidence or (call in self._lasts and (communication or words))

    def _outcome(self, call: Call) -> Fact:
        wanted = Outcome.UNREACHABLE if self._unreached else Outcome(self._order.motif_outcome)
        fine = NOBODY_REACHED if self._unreached else frozenset({wanted})
        amiss = sorted(CODES[self._order.kind] - fine)
        values = {
            "outcome": wanted,
            "found": call.outcome,
            "outcomes": (wanted,),
            "sound": self._is_taken_for_sound(call),
        }

        def suppose(phrase: str, codes: Sequence[int]) -> Supposition:
            edits = [self._knowing(call, code) if call.doubt else self._showing(code) for code in codes]
            ways = tuple(edited(call.id, edit) for edit in edits)
            return Supposition("outcome", f"outcome {call.id}", ways, phrase, call, values)

        if call.doubt:
            worse = suppose("proves_someone" if self._unreached else "proves_other", amiss)
            return Fact(Truth.UNKNOWN, (suppose("proves", [wanted]),), (worse,))
        nobody = (suppose("nobody", sorted(fine, reverse=True)),) if self._unreached else ()
        worse = suppose("someone" if self._unreached else "showed_other", amiss)
        holds = Truth.YES if call.outcome in fine else Truth.NO
        return Fact(holds, (*nobody, suppose("showed", [wanted])), (worse,))

    def _rings(self, call: Call) -> Iterator[Fact]:
        """Of a call that is known to be silent: whether it rang enough to be valid."""
        least = self._rules.min_rings
        if not self._unreached or call.outcome != Outcome.SILENCE or not least:
            return

        def suppose(phrase: str, edits: Sequence[Edit], found: str = "") -> tuple[Supposition]:
            ways = tuple(edited(call.id, edit) for edit in edits)
            values = {"rings": least, "count": call.rings, "heard": found}
            return (Supposition("rings", f"rings {call.id}", ways, phrase, call, values),)

        if asked := self._open_question(call):
            enough, few = heard(asked, least)
            better = suppose("proves_heard", enough, f"enough_{asked}")
            yield Fact(call.valid, better, suppose("proves_heard", few, f"few_{asked}"))
        elif not call.facts.voicemail_tone:
            yield Fact(call.valid, suppose("rang", rung(least)), suppose("rang_less", ringing(least - 1, 0)))
        elif call.rings is not None and call.rings < least:
            yield Fact(call.valid, (), suppose("no_voicemail", [followed(False)]))

    def _branch(self, call: Call) -> Fact:
        own = self._rules.branch_of(self._order.kind, self._order.category)
        unknown = "proves_" if call.own_branch is Truth.UNKNOWN else ""

        def suppose(phrase: str, branch: str) -> tuple[Supposition]:
            way = edited(call.id, lambda facts: replace(facts, branch=branch))
            values = {"branch": own, "found": call.facts.branch}
            return (Supposition("branch", f"branch {call.id}", (way,), unknown + phrase, call, values),)

        return Fact(call.own_branch, suppose("own_branch", own), suppose("other_branch", _ANOTHER_BRANCH))

    def _behaviour(self, call: Call) -> Iterator[Fact]:
        if not self._rules.behaviour_counts or (call.polite is Truth.UNKNOWN and call.doubt):
            return  # that becomes known with the outcome
        unknown = "proves_" if call.polite is Truth.UNKNOWN else ""

        def suppose(phrase: str, behaviour: int) -> tuple[Supposition]:
            way = edited(call.id, lambda facts: replace(facts, behaviour=behaviour))
            return (Supposition("behaviour", f"behaviour {call.id}", (way,), unknown + phrase, call),)

        yield Fact(call.polite, suppose("polite", GOOD), suppose("rude", BAD))

    def _words(self, call: Call) -> Iterator[Fact]:
        said, unwanted = said_in(call, self._required), said_in(call, self._forbidden)
        missing = tuple(phrase for phrase in self._required if phrase not in said)

        def suppose(about: str, phrase: str, named: Sequence[str], edit: Callable[..., Edit]) -> Supposition:
            way = edited(call.id, edit(named))
            return Supposition("phrases", f"{about} {call.id}", (way,), phrase, call, {"phrases": tuple(named)})

        if unwanted:
            yield Fact(Truth.NO, (suppose("unwanted", "unsaid", unwanted, not_saying),), ())
        if heard_out(call):
            if missing:
                yield Fact(Truth.NO, (suppose("wanted", "said", missing, saying),), ())
            elif said:
                worse = tuple(suppose("wanted", "unsaid", [phrase], not_saying) for phrase in said)
                yield Fact(Truth.YES, (), worse)
            if self._forbidden and not unwanted:
                worse = tuple(suppose("unwanted", "said", [phrase], saying) for phrase in self._forbidden)
                yield Fact(Truth.YES, (), worse)
        elif (self._required or self._forbidden) and not call.doubt:
            lacking = [
                suppose("words", "proves_no_words", [phrase], lambda named: saying(self._required_but(named)))
                for phrase in self._required
            ]
            spoken = [
                suppose("words", "proves_forbidden", [phrase], lambda named: saying([*self._required, *named]))
                for phrase in self._forbidden
            ]
            better = suppose("words", "proves_words", self._required, saying)
            yield Fact(Truth.UNKNOWN, (better,), (*lacking, *spoken))

    def _required_but(self, phrases: Sequence[str]) -> list[str]:
        return [phrase for phrase in self._required if phrase not in phrases]

    def _showing(self, outcome: int) -> Edit:
        answer = Answer(outcome=outcome, score=1.0, cited=())
        if self._order.kind == "ACQUISITION":
            return lambda facts: replace(facts, acquisition=answer)
        return lambda facts: replace(facts, sav=answer)

    def _knowing(self, call: Call, outcome: int) -> Edit:
        """The outcome becomes known, and with it, where that is not known, that nothing else is amiss."""
        show, say = self._showing(outcome), saying(self._required)

        def edit(facts: CallFacts) -> CallFacts:
            known = replace(show(facts), status="complete", failure=None)
            if call.polite is Truth.UNKNOWN:
                known = replace(known, behaviour=GOOD)
            if self._rules.checks_that_count:
                known = in_order(known)
            return known if heard_out(call) else say(known)

        return edit
