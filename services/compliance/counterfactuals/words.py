"""What `counterfactuals` says, in French and in English: changes, each up to the verdict that it would lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ringtrue import times
from ringtrue.messages import Order
from ringtrue.outcomes import Language
from services.compliance.attempts import Call
from services.compliance.counterfactuals.placing import Stretch
from services.compliance.ruleset import Ruleset
from services.compliance.words import Words

_SECOND_MS = 1000
_MINUTE = "%H:%M"

SUPPOSED: dict[Language, dict[str, str]] = {
    "fr": {
        # Calls, and what they are called among others.
        "the_call": "l'appel de {moment}",
        "the_last_call": "le dernier appel ({moment})",
        "the_undated_call": "l'appel {id} (date inconnue)",
        "one_of": "l'un de ces appels ({calls})",
        # When a call would serve.
        "on_day": "{clock} le {day}",
        "at": "à {start}",
        "between": "entre {start} et {end}",
        "from": "à {start} ou après (avant la suspension de {end})",
        "until": "entre le début de la période ({start}) et {end}",
        "any_time": "à tout moment de la période ({start} à {end})",
        "after": "après {start} (et avant la suspension de {end})",
        "or": " ou ",
        "or_when": ", ou ",
        "and": " et ",
        # What is known and would have been otherwise.
        "added": "un appel de plus sans réponse{valid}, {when}",
        "added_showing": "un appel de plus qui montre « {outcome} »{valid}, {when}",
        "added_several": "{count} appels de plus sans réponse{valid}, par exemple {when}",
        "added_several_showing": "{count} appels de plus qui montrent « {outcome} »{valid}, par exemple {when}",
        "valid": "{rings} tonalités ou messagerie",
        "of_branch": "branche {branch}",
        "nobody": "si {call} n'avait joint personne (« {found} » constaté)",
        "showed": "si {call} avait montré « {outcome} » (« {found} » constaté)",
        "rang": "si {call} avait sonné {rings} fois (au lieu de {count}) ou mené à une messagerie",
        "own_branch": "si {call} venait de la branche {branch} ({found} constatée)",
        "polite": "si le technicien était resté correct pendant {call}",
        "said": "si {phrases} avait été prononcé pendant {call}",
        "unsaid": "si {phrases} n'avait pas été prononcé pendant {call}",
        "motif": "si le motif déclaré avait été « {outcome} »",
        "without": "sans {call}",
        "someone": "si {call} avait joint quelqu'un",
        "showed_other": "si {call} avait montré autre chose que « {outcome} »",
        "rang_less": "si {call} avait sonné moins de {rings} fois",
        "no_voicemail": "si aucune messagerie n'avait suivi à {call}",
        "other_branch": "si {call} venait d'une autre branche",
        "rude": "si le technicien avait été incorrect pendant {call}",
        # What is not known, and what it may turn out to be.
        "proves": "si {call}, dont le résultat n'est pas établi, montre {outcomes}{sound}",
        "proves_other": "si {call}, dont le résultat n'est pas établi, montre autre chose que {outcomes}{sound}",
        "proves_any": "si le contenu de {call} est établi{sound}",
        "proves_someone": "si {call}, dont le résultat n'est pas établi, a joint quelqu'un{sound}",
        "sound": ", sans autre reproche",
        "quoted": "« {outcome} »",
        "silence": "« {outcome} » ({heard})",
        "proves_heard": "si {call}, dont les tonalités ne sont pas établies, se révèle ainsi : {heard}",
        "enough_rung": "{rings} tonalités ou plus, ou une messagerie",
        "enough_rings": "{rings} tonalités ou plus",
        "enough_voicemail": "une messagerie",
        "few_rung": "moins de {rings} tonalités, sans messagerie",
        "few_rings": "moins de {rings} tonalités",
        "few_voicemail": "sans messagerie",
        "proves_own_branch": "si {call}, de branche inconnue, vient de {branch}",
        "proves_other_branch": "si {call}, de branche inconnue, vient d'une autre branche que {branch}",
        "proves_polite": "si {call}, dont la communication n'est pas établie, était correct",
        "proves_rude": "si {call}, dont la communication n'est pas établie, était incorrect",
        "proves_words": "si {call}, dont la transcription manque, contient les formules demandées et aucune interdite",
        "proves_no_words": "si {call}, dont la transcription manque, ne contient pas {phrases}",
        "proves_forbidden": "si {call}, dont la transcription manque, contient {phrases}",
        "dated": "si {call} a eu lieu {when}",
        "outside": "si {call} a eu lieu hors de la période",
        "complete": "si aucun autre appel n'est retrouvé dans la période",
        "recovered": "si un appel de plus sans réponse{valid} est retrouvé, {when}",
        "recovered_showing": "si un appel de plus qui montre « {outcome} »{valid} est retrouvé, {when}",
        "recovered_several": "si {count} appels de plus sans réponse{valid} sont retrouvés, par exemple {when}",
        "recovered_several_showing": "si {count} appels de plus qui montrent « {outcome} »{valid} sont retrouvés, "
        "par exemple {when}",
        "joined": "{first}, et {second}",
        # What is to be said where no change is.
        "no_added_call": "un appel de plus n'aurait suffi à aucun moment de la période ({start} à {end})",
        "no_small_change": "aucun petit changement trouvé qui aurait suffi : {comment}",
        "open": "dépend de ce qui n'est pas établi : {comment}",
        "judged_now": "les faits archivés, jugés aujourd'hui par les règles en vigueur ; `ringtrue reprocess "
        "--order {order}` en fait un verdict",
    },
    "en": {
        "the_call": "the call of {moment}",
        "the_last_call": "the last call ({moment})",
        "the_undated_call": "call {id} (date unknown)",
        "one_of": "one of these calls ({calls})",
        "on_day": "{clock} on {day}",
        "at": "at {start}",
        "between": "between {start} and {end}",
        "from": "at {start} or later (before the suspension at {end})",
        "until": "between the window's start ({start}) and {end}",
        "any_time": "at any time of the window ({start} to {end})",
        "after": "after {start} (and before the suspension at {end})",
        "or": " or ",
        "or_when": ", or ",
        "and": " and ",
        "added": "one more unanswered call{valid}, {when}",
        "added_showing": "one more call that shows “{outcome}”{valid}, {when}",
        "added_several": "{count} more unanswered calls{valid}, for example {when}",
        "added_several_showing": "{count} more calls that show “{outcome}”{valid}, for example {when}",
        "valid": "{rings} rings or a voicemail",
        "of_branch": "branch {branch}",
        "nobody": "if {call} had reached nobody (“{found}” was found)",
        "showed": "if {call} had shown “{outcome}” (“{found}” was found)",
        "rang": "if {call} had rung {rings} times (instead of {count}) or led to a voicemail",
        "own_branch": "if {call} had come from branch {branch} ({found} was found)",
        "polite": "if the technician had stayed polite in {call}",
        "said": "if {phrases} had been said in {call}",
        "unsaid": "if {phrases} had not been said in {call}",
        "motif": "if the declared motif had been “{outcome}”",
        "without": "without {call}",
        "someone": "if {call} had reached someone",
        "showed_other": "if {call} had shown something else than “{outcome}”",
        "rang_less": "if {call} had rung fewer than {rings} times",
        "no_voicemail": "if no voicemail had followed in {call}",
        "other_branch": "if {call} had come from another branch",
        "rude": "if the technician had been rude in {call}",
        "proves": "if {call}, whose outcome is not established, shows {outcomes}{sound}",
        "proves_other": "if {call}, whose outcome is not established, shows something else than {outcomes}{sound}",
        "proves_any": "if what {call} holds is established{sound}",
        "proves_someone": "if {call}, whose outcome is not established, reached someone{sound}",
        "sound": ", with nothing else amiss",
        "quoted": "“{outcome}”",
        "silence": "“{outcome}” ({heard})",
        "proves_heard": "if {call}, whose rings are not established, turns out as: {heard}",
        "enough_rung": "{rings} rings or more, or a voicemail",
        "enough_rings": "{rings} rings or more",
        "enough_voicemail": "a voicemail",
        "few_rung": "fewer than {rings} rings, without a voicemail",
        "few_rings": "fewer than {rings} rings",
        "few_voicemail": "without a voicemail",
        "proves_own_branch": "if {call}, of unknown branch, comes from {branch}",
        "proves_other_branch": "if {call}, of unknown branch, comes from another branch than {branch}",
        "proves_polite": "if {call}, whose communication is not established, was polite",
        "proves_rude": "if {call}, whose communication is not established, was rude",
        "proves_words": "if {call}, whose transcript is missing, holds the phrases that are asked for and no forbidden "
        "one",
        "proves_no_words": "if {call}, whose transcript is missing, does not hold {phrases}",
        "proves_forbidden": "if {call}, whose transcript is missing, holds {phrases}",
        "dated": "if {call} took place {when}",
        "outside": "if {call} took place outside of the window",
        "complete": "if no other call is found in the window",
        "recovered": "if one more unanswered call{valid} is found, {when}",
        "recovered_showing": "if one more call that shows “{outcome}”{valid} is found, {when}",
        "recovered_several": "if {count} more unanswered calls{valid} are found, for example {when}",
        "recovered_several_showing": "if {count} more calls that show “{outcome}”{valid} are found, for example {when}",
        "joined": "{first}, and {second}",
        "no_added_call": "one more call would have been enough at no time of the window ({start} to {end})",
        "no_small_change": "no small change was found that would have been enough: {comment}",
        "open": "it depends on what is not established: {comment}",
        "judged_now": "the archived facts, judged today by the rules in force; `ringtrue reprocess --order {order}` "
        "makes that a verdict",
    },
}


class Teller:
    """Tells what is supposed of an order's calls.

    Args:
        order: The order.
        dated: Its attempts by start.
        undated: The calls of its client whose start is not known.
        rules: The rules in force.
        language: The language to say it in.
    """

    def __init__(
        self, order: Order, dated: Sequence[Call], undated: Sequence[Call], rules: Ruleset, language: Language
    ) -> None:
        self._order = order
        self._rules = rules
        self._phrases = SUPPOSED[language]
        self._words = Words(rules, language)
        self._day = times.local_day(order.suspended_at_ms, rules.zone)
        self._last = dated[-1].id if dated and not undated else ""
        self._starts = {call.start_ms for call in dated}
        # Calls are called by the minute, those of the same minute by the second, those of the same second by their ids.
        self._minutes = Counter(self._moment(call.start_ms or 0, _MINUTE) for call in dated)
        self._moments = Counter(self._moment(call.start_ms or 0) for call in dated)

    def say(self, phrase: str, calls: Sequence[Call] = (), /, **values: object) -> str:
        """One of the phrases; of several calls it is said that it is one of them."""
        shown = {name: self._shown(name, value) for name, value in values.items()}
        return self._phrases[phrase].format(call=self._named(calls) if calls else "", **shown)

    def when(self, stretches: Sequence[Stretch]) -> str:
        """The times at which a call would serve."""
        return self._phrases["or_when"].join(self._when(one) for one in stretches)

    def at(self, moments: Sequence[int]) -> str:
        """Several times, one after the other."""
        told = [self.say("at", start=self._moment(moment)) for moment in moments]
        return self._phrases["and"].join([*([", ".join(told[:-1])] if told[1:] else []), told[-1]])

    def window(self) -> dict[str, str]:
        """The window's ends."""
        return {
            "start": self._moment(self._order.window_start_ms),
            "end": self._moment(self._order.suspended_at_ms),
        }

    def _when(self, stretch: Stretch) -> str:
        ends = self.window()
        start, end = self._moment(stretch.first_ms), self._moment(stretch.last_ms)
        at_start = stretch.first_ms - self._order.window_start_ms < _SECOND_MS
        at_end = self._order.suspended_at_ms - stretch.last_ms < _SECOND_MS
        if at_start and at_end:
            return self.say("any_time", **ends)
        if stretch.first_ms == stretch.last_ms:
            return self.say("at", start=start)
        if at_end and stretch.begin_ms - 1 in self._starts:
            return self.say("after", start=self._moment(stretch.begin_ms - 1), end=ends["end"])
        if at_end:
            return self.say("from", start=start, end=ends["end"])
        return self.say("until" if at_start else "between", start=start, end=end)

    def _named(self, calls: Sequence[Call]) -> str:
        if len(calls) == 1:
            return self._call(calls[0])
        return self.say("one_of", calls=", ".join(self._brief(call) for call in calls))

    def _brief(self, call: Call) -> str:
        if call.start_ms is None:
            return call.id
        moment = self._moment_of(call.start_ms)
        return f"{moment} {call.id}" if self._moments[moment] > 1 else moment

    def _call(self, call: Call) -> str:
        if call.facts.started_at_ms is None:
            return self.say("the_undated_call", id=call.id)
        is_last = call.id == self._last
        moment = self._moment_of(call.facts.started_at_ms)
        if self._moments[moment] > 1:
            moment = f"{moment}, {call.id}" if is_last else f"{moment} ({call.id})"
        return self.say("the_last_call" if is_last else "the_call", moment=moment)

    def _moment_of(self, start_ms: int) -> str:
        minute = self._moment(start_ms, _MINUTE)
        return minute if self._minutes[minute] == 1 else self._moment(start_ms)

    def _moment(self, utc_ms: int, form: str = "%H:%M:%S") -> str:
        """`13:05`, with seconds where there are some, and with the day unless it is that of the suspension."""
        local = times.local(utc_ms, self._rules.zone)
        clock = local.strftime(form)
        clock = clock.removesuffix(":00") if form != _MINUTE else clock
        return clock if local.date() == self._day else self._phrases["on_day"].format(clock=clock, day=local.date())

    def _shown(self, name: str, value: object) -> str:
        match name, value:
            case "sound", bool():
                return self._phrases["sound"] if value else ""
            case "heard", str() if value:
                return self._phrases[value].format(rings=self._rules.min_rings)
            case (("outcome" | "found"), int()):
                return self._words.outcome(value)
            case "outcomes", tuple():
                return self._phrases["or"].join(self._quoted(one) if isinstance(one, int) else one for one in value)
            case "phrases", tuple():
                return self._phrases["or"].join(self._quoted(one) for one in value)
            case _:
                return "?" if value is None else str(value)

    def _quoted(self, one: object) -> str:
        return self._phrases["quoted"].format(outcome=self._words.outcome(one) if isinstance(one, int) else one)
