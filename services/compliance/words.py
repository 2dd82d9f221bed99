"""What verdicts say to people, in French and in English.

The French comments of failed rules are the business's own (domain.md); everything else follows them.
"""

from __future__ import annotations

from datetime import time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ringtrue import times
from ringtrue.outcomes import Language, label
from services.compliance.ruleset import Ruleset

#: What each rule is about: opens the comment of an undetermined one.
_SUBJECTS: dict[Language, dict[str, str]] = {
    "fr": {
        "last_call": "Dernier appel",
        "attempts": "Nombre d'appels",
        "interval": "Intervalle entre les appels",
        "rings": "Tonalités",
        "declaration": "Déclaration",
        "branch": "Branche",
        "behaviour": "Communication",
        "required_phrases": "Formules obligatoires",
        "forbidden_phrases": "Formules interdites",
        "same_audio": "Enregistrements distincts",
        "recording_length": "Durée des enregistrements",
        "early_hang_up": "Raccrochage",
        "start_times": "Horodatage des appels",
    },
    "en": {
        "last_call": "Last call",
        "attempts": "Number of calls",
        "interval": "Interval between calls",
        "rings": "Rings",
        "declaration": "Declaration",
        "branch": "Branch",
        "behaviour": "Communication",
        "required_phrases": "Required phrases",
        "forbidden_phrases": "Forbidden phrases",
        "same_audio": "Distinct recordings",
        "recording_length": "Length of recordings",
        "early_hang_up": "Hang-up",
        "start_times": "Times of calls",
    },
}

_PASSED: dict[Language, dict[str, str]] = {
    "fr": {
        "last_call": "Dernier appel conforme",
        "attempts": "{min_attempts} appels trouvés ou plus",
        "interval": "Séquence de 3 appels avec {gap} d'écart",
        "rings": "Au moins {min_rings} tonalités",
        "declaration": "Déclaration conforme",
        "branch": "Branche conforme",
        "behaviour": "Communication conforme",
        "required_phrases": "Formules obligatoires prononcées",
        "forbidden_phrases": "Aucune formule interdite",
        "same_audio": "Enregistrements distincts",
        "recording_length": "Durées conformes aux dates",
        "early_hang_up": "Aucun raccrochage avant {min_rings} tonalités",
        "start_times": "Horodatage cohérent",
    },
    "en": {
        "last_call": "Last call compliant",
        "attempts": "{min_attempts} calls found or more",
        "interval": "Sequence of 3 calls {gap} apart",
        "rings": "At least {min_rings} rings",
        "declaration": "Declaration compliant",
        "branch": "Branch compliant",
        "behaviour": "Communication compliant",
        "required_phrases": "Required phrases said",
        "forbidden_phrases": "No forbidden phrase",
        "same_audio": "Distinct recordings",
        "recording_length": "Lengths as their dates say",
        "early_hang_up": "No hang-up before {min_rings} rings",
        "start_times": "Times are consistent",
    },
}

_REASONS: dict[Language, dict[str, str]] = {
    "fr": {
        "reached_someone": "Dernier appel non conforme (client joint : {outcome})",
        "too_few_attempts": "Moins de {min_attempts} appels trouvés",
        "no_spaced_triple": "Pas de séquence de 3 appels avec {gap} d'écart",
        "too_few_rings": "Moins de {min_rings} tonalités",
        "declaration_differs": "Déclaration non conforme ({outcome})",
        "other_branch": "Branche non conforme",
        "bad_behaviour": "Communication non conforme",
        "phrase_missing": "Formule obligatoire absente",
        "phrase_forbidden": "Formule interdite prononcée",
        "no_call_found": "Aucun appel trouvé",
        "late_order": "Dernier appel effectué après {late}",
        "outcome_unknown": "résultat d'un appel non établi",
        "call_failed": "enregistrement non exploitable",
        "transcript_partial": "transcription incomplète",
        "rings_unknown": "tonalités non établies",
        "branch_unknown": "branche d'un appel inconnue",
        "date_unknown": "date d'un appel inconnue",
        "recordings_unassigned": "trop d'enregistrements sans numéro de client",
        "coverage_incomplete": "enregistrements du début de la période non recensés",
        "audio_used_twice": "Même enregistrement pour deux appels",
        "length_differs": "Durée d'un enregistrement différente de ses dates",
        "hung_up_early": "Appel raccroché avant {min_rings} tonalités",
        "impossible_times": "Horodatage d'un appel impossible",
        "evidence_unknown": "faits non établis",
    },
    "en": {
        "reached_someone": "Last call not compliant (client reached: {outcome})",
        "too_few_attempts": "Fewer than {min_attempts} calls found",
        "no_spaced_triple": "No sequence of 3 calls {gap} apart",
        "too_few_rings": "Fewer than {min_rings} rings",
        "declaration_differs": "Declaration not compliant ({outcome})",
        "other_branch": "Branch not compliant",
        "bad_behaviour": "Communication not compliant",
        "phrase_missing": "Required phrase missing",
        "phrase_forbidden": "Forbidden phrase said",
        "no_call_found": "No call found",
        "late_order": "Last call made after {late}",
        "outcome_unknown": "outcome of a call not established",
        "call_failed": "recording cannot be used",
        "transcript_partial": "transcript incomplete",
        "rings_unknown": "rings not established",
        "branch_unknown": "branch of a call unknown",
        "date_unknown": "date of a call unknown",
        "recordings_unassigned": "too many recordings without a client number",
        "coverage_incomplete": "recordings of the window's beginning not listed",
        "audio_used_twice": "One recording for two calls",
        "length_differs": "A recording is not as long as its dates say",
        "hung_up_early": "Call hung up before {min_rings} rings",
        "impossible_times": "Times of a call are impossible",
        "evidence_unknown": "facts not established",
    },
}

_PHRASES: dict[Language, dict[str, str]] = {
    "fr": {
        "undetermined": "{subject} à vérifier : {reason}",
        "pending": "En attente : {waiting}",
        "called": "appel du {moment}",
        "quoted": "{outcome} : « {text} »",
        "rings": "{count} tonalité(s)",
        "voicemail": "{count} tonalité(s), puis tonalité de messagerie",
        "branch": "branche {branch}",
        "polite": "communication correcte",
        "rude": "communication incorrecte",
        "said": "prononcé : « {text} »",
        "unsaid": "non prononcé : « {text} »",
        "failure": "{reason} ({message})",
        "call_open": "appel {call} du {moment} : traitement en cours",
        "call_open_undated": "appel {call}, date inconnue : traitement en cours",
        "uncovered": "enregistrements à recenser jusqu'au {moment}",
        "same_audio": "même son que {call} à {share} %",
        "length": "enregistrement de {heard} s, appel de {told} s d'après ses dates",
        "hung_up": "raccroché {after} s après la tonalité n° {count}, sans réponse ni tonalité d'occupation",
        "ends_first": "fin {ended} avant le début {started}",
        "from_future": "début {started}, mais enregistrement déjà reçu {arrived}",
        "overlaps": "début {started} avant la fin {ended} de {call}",
    },
    "en": {
        "undetermined": "{subject} to be reviewed: {reason}",
        "pending": "Waiting for: {waiting}",
        "called": "called {moment}",
        "quoted": "{outcome}: “{text}”",
        "rings": "{count} ring(s)",
        "voicemail": "{count} ring(s), then a voicemail tone",
        "branch": "branch {branch}",
        "polite": "communication correct",
        "rude": "communication not correct",
        "said": "said: “{text}”",
        "unsaid": "not said: “{text}”",
        "failure": "{reason} ({message})",
        "call_open": "call {call} of {moment}: not finished",
        "call_open_undated": "call {call}, date unknown: not finished",
        "uncovered": "recordings to be listed up to {moment}",
        "same_audio": "the same sound as {call}, {share} %",
        "length": "recording of {heard} s, call of {told} s by its dates",
        "hung_up": "hung up {after} s after ring {count}, without an answer or a busy tone",
        "ends_first": "end {ended} before the start {started}",
        "from_future": "start {started}, but the recording had arrived {arrived}",
        "overlaps": "start {started} before the end {ended} of {call}",
    },
}


class Words:
    """Says things in one language, with the parameters in force."""

    def __init__(self, rules: Ruleset, language: Language) -> None:
        self._rules = rules
        self._language = language
        self._parameters = {
            "min_attempts": rules.min_attempts,
            "min_rings": rules.min_rings,
            "gap": hours(rules.min_gap),
            "late": clock(rules.late_from),
        }

    def passed(self, rule: str) -> str:
        """The comment of a rule that passed."""
        return _PASSED[self._language][rule].format(**self._parameters)

    def reason(self, code: str, outcome: int | None = None) -> str:
        """A reason's words; those of some reasons name the outcome that was found."""
        found = "" if outcome is None else self.outcome(outcome)
        return _REASONS[self._language][code].format(outcome=found, **self._parameters)

    def undetermined(self, rule: str, reason: str) -> str:
        """The comment of a rule that is undetermined."""
        return self.say("undetermined", subject=_SUBJECTS[self._language][rule], reason=self.reason(reason))

    def say(self, phrase: str, **values: str | float) -> str:
        """One of the fixed phrases."""
        return _PHRASES[self._language][phrase].format(**values)

    def outcome(self, code: int) -> str:
        """An outcome's label."""
        return label(code, self._language)

    def moment(self, utc_ms: int) -> str:
        """A time of the operator's zone, to the second."""
        return _moment(utc_ms, self._rules.zone)


@lru_cache(maxsize=1024)  # several findings of an order cite the same calls
def _moment(utc_ms: int, zone: ZoneInfo) -> str:
    return times.local(utc_ms, zone).replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def hours(span: timedelta) -> str:
    """`2h`, `1h30`, `45min`."""
    minutes = span // timedelta(minutes=1)
    if minutes < 60:
        return f"{minutes}min"
    return f"{minutes // 60}h{minutes % 60:02d}".removesuffix("00")


def clock(moment: time) -> str:
    """`17h`, `17h30`."""
    return hours(timedelta(hours=moment.hour, minutes=moment.minute))
