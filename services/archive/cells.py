"""What the cells of the reports hold (domain.md, Reports): pure functions of a case, and the layouts made of them.

A layout is a table of headings and cells. Another operator's layout is another table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ringtrue import times
from ringtrue.messages import Attempt, Finding
from ringtrue.outcomes import BAD, GOOD, Language, Outcome, label
from ringtrue.results.cases import Case

Cell = str | int | float | None

_WORDS: dict[Language, dict[str, str]] = {
    "fr": {
        "passed": "Conforme",
        "failed": "Non conforme",
        "undetermined": "À vérifier",
        "compliant": "Conforme",
        "non_compliant": "Non conforme",
        "to_review": "À vérifier",
        "good": "Bien",
        "bad": "Mauvais",
        "unknown": "inconnu",
        "waiting": "En attente",
        "unassigned": "Enregistrements sans numéro de client dans la période : {count}",
    },
    "en": {
        "passed": "Compliant",
        "failed": "Not compliant",
        "undetermined": "To be reviewed",
        "compliant": "Compliant",
        "non_compliant": "Not compliant",
        "to_review": "To be reviewed",
        "good": "Good",
        "bad": "Bad",
        "unknown": "unknown",
        "waiting": "Waiting",
        "unassigned": "Recordings without a client number in the window: {count}",
    },
}


@dataclass(frozen=True, slots=True)
class Line:
    """A case as it is printed: in the operator's time zone and one language."""

    case: Case
    zone: ZoneInfo
    language: Language

    def word(self, code: str) -> str:
        """A result, a verdict or another word; empty for what is not printed (not applicable, pending)."""
        return _WORDS[self.language].get(code, "")

    def day(self, utc_ms: int | None) -> str:
        """A local date."""
        return "" if utc_ms is None else times.local_day(utc_ms, self.zone).isoformat()

    def moment(self, utc_ms: int | None) -> str:
        """A local date and time, to the second."""
        return "" if utc_ms is None else times.local(utc_ms, self.zone).strftime("%Y-%m-%d %H:%M:%S")

    @property
    def unreachable(self) -> bool:
        """Whether the declared motif is *client injoignable*."""
        return self.case.order.motif_outcome == Outcome.UNREACHABLE

    @property
    def last(self) -> Attempt | None:
        """The last call."""
        return self.case.attempts[-1] if self.case.attempts else None

    def result(self, rule: str) -> str:
        """The result of a rule in words; empty when it does not apply or has not been asked."""
        finding = self.case.finding(rule)
        return self.word(finding.result) if finding else ""


def attempts(line: Line) -> Cell:
    """The number of attempts; empty before anyone has looked."""
    return len(line.case.attempts) if line.case.judged_at_ms is not None else ""


def enough_attempts(line: Line) -> Cell:
    """By `attempts`; for other motifs at least one attempt."""
    if line.unreachable:
        return line.result("attempts")
    if line.case.findings and line.case.attempts:
        return line.word("passed")
    return line.result("declaration")


def rings(line: Line) -> Cell:
    """Rings of the last call; when `rings` failed, the fewest of the best triple, which is what it cites."""
    found = line.case.finding("rings")
    if found is not None and found.result == "failed":
        counts = _cited_rings(line.case, found)
        return min(counts) if counts else line.word("unknown")
    if line.last is None:
        return ""
    return line.word("unknown") if line.last.ring_count is None else line.last.ring_count


def declared_rightly(line: Line) -> Cell:
    """The result of `last_call` (injoignable) or `declaration`."""
    return line.result("last_call" if line.unreachable else "declaration")


def behaviour(line: Line) -> Cell:
    """How the technician behaved in the last call; empty for injoignable and when not classified."""
    shown = None if line.unreachable or line.last is None else line.last.behaviour
    return {GOOD: line.word("good"), BAD: line.word("bad")}.get(shown, "") if shown is not None else ""


def outcome(line: Line) -> Cell:
    """The label of the last call's outcome."""
    if line.last is None:
        return ""
    return label(Outcome.NOT_CLASSIFIED if line.last.outcome is None else line.last.outcome, line.language)


def comment(line: Line) -> Cell:
    """The verdict's comment, and how many recordings of its window belong to nobody."""
    parts = [line.case.comment or (line.word("waiting") if line.case.verdict == "pending" else "")]
    if line.case.unassigned:
        parts.append(line.word("unassigned").format(count=line.case.unassigned))
    return "; ".join(part for part in parts if part)


Layout = tuple[tuple[str, Callable[[Line], Cell]], ...]

ACQUISITION_ADSL: Layout = (
    ("File_date", lambda line: line.day(line.case.judged_at_ms)),
    ("Date de dernier statut", lambda line: line.day(line.case.order.suspended_at_ms)),
    ("N° de commande", lambda line: line.case.order.number),
    ("N_Ordre", lambda line: line.case.order.work_order),
    ("nd", lambda line: line.case.order.line_number),
    ("Numero_de_contact", lambda line: line.case.order.client_number),
    ("Motif de rejet", lambda line: line.case.order.motif),
    ("ville", lambda line: line.case.order.city),
    ("Nbr_tentatives_appel", attempts),
    ("Conformite_Nb_Appel", enough_attempts),
    ("Nb_tonnalite", rings),
    ("Conformite_Nb_Tonalite", lambda line: line.result("rings")),
    ("Conformité Intervalle", lambda line: line.result("interval")),
    ("Conformité_Declaratif", declared_rightly),
    ("Qualité_communication", behaviour),
    ("Conformité_IAM", lambda line: line.word(line.case.verdict)),
    ("Commentaire_1", comment),
)

#: Common to all kinds and categories: `result_...`.
RESULT: Layout = (
    ("numero_commande", lambda line: line.case.order.number),
    ("client_number", lambda line: line.case.order.client_number),
    ("date_commande", lambda line: line.moment(line.case.order.ordered_at_ms)),
    ("date_suspension", lambda line: line.moment(line.case.order.suspended_at_ms)),
    ("Nbr_tentatives_appel", attempts),
    ("Conformité Intervalle", lambda line: line.result("interval")),
    ("appels_branch", lambda line: line.result("branch")),
    ("Nb_tonnalite", rings),
    ("status", lambda line: line.case.order.motif),
    ("Classification modele", outcome),
    ("Qualite_communication", behaviour),
    ("Conformite_IAM", lambda line: line.word(line.case.verdict)),
    ("Commentaires", comment),
)

#: The layout of each kind and category.
LAYOUTS: dict[tuple[str, str], Layout] = {("ACQUISITION", "ADSL"): ACQUISITION_ADSL}


def _cited_rings(case: Case, finding: Finding) -> list[int]:
    cited = {evidence.call_id for evidence in finding.evidence}
    return [a.ring_count for a in case.attempts if a.call_id in cited and a.ring_count is not None]
