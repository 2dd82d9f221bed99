"""What stands behind the verdicts, for the sheets beside a report: each finding's evidence, and counts."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from ringtrue.outcomes import Language
from services.archive.cells import Cell, Line, seconds
from services.archive.words import WORDS

#: Headings of the sheet of evidence, by language.
PROOF: dict[Language, tuple[str, ...]] = {
    "fr": ("N° de commande", "Règle", "Résultat", "Appel", "De (s)", "À (s)", "Fait"),
    "en": ("Order", "Rule", "Result", "Call", "From (s)", "To (s)", "Fact"),
}
#: The column of `PROOF` that holds a result.
PROVED = 2
#: Verdicts by which the summary counts.
_COUNTED = ("compliant", "non_compliant", "to_review", "pending")
_SUMMARY: dict[Language, dict[str, str]] = {
    "fr": {
        "by": "Par",
        "what": "Valeur",
        "all": "Total",
        "verdict": "Conformité",
        "motif": "Motif",
        "branch": "Branche du dernier appel",
        "technician": "Technicien du dernier appel",
        "city": "Ville",
        "none": "(aucun)",
    },
    "en": {
        "by": "By",
        "what": "Value",
        "all": "Total",
        "verdict": "Verdict",
        "motif": "Motif",
        "branch": "Branch of the last call",
        "technician": "Technician of the last call",
        "city": "City",
        "none": "(none)",
    },
}


def proofs(line: Line) -> Iterator[tuple[Cell, ...]]:
    """A row for each piece of evidence; one with the finding's comment for a finding that cites none."""
    number = line.case.order.number
    for finding in (*line.case.findings, *line.case.warnings):
        result = line.print.word("warning" if finding in line.case.warnings else finding.result)
        for cited in finding.evidence:
            times = (seconds(cited.start_ms), seconds(cited.end_ms))
            yield number, finding.rule, result, cited.call_id, *times, cited.fact
        if not finding.evidence and finding.comment:
            yield number, finding.rule, result, None, None, None, finding.comment


class Summary:
    """Counts orders by what was declared, who called last, and how they were judged.

    Args:
        language: Of headings and values.
    """

    def __init__(self, language: Language) -> None:
        self._words = _SUMMARY[language]
        self._verdicts = {code: WORDS[language].get(code, WORDS[language]["waiting"]) for code in _COUNTED}
        self._counts: dict[str, defaultdict[str, Counter[str]]] = {
            name: defaultdict(Counter) for name in ("all", "verdict", "motif", "branch", "technician", "city")
        }

    def add(self, line: Line) -> None:
        """Counts an order."""
        order, verdict = line.case.order, line.case.verdict
        values = {
            "all": "",
            "verdict": self._verdicts.get(verdict),
            "motif": order.motif,
            "branch": line.last and line.last.branch,
            "technician": line.technician,
            "city": order.city,
        }
        for name, value in values.items():
            self._counts[name][value or ("" if name == "all" else self._words["none"])][verdict] += 1

    @property
    def headings(self) -> tuple[str, ...]:
        """Of `rows`."""
        return self._words["by"], self._words["what"], self._words["all"], *self._verdicts.values()

    def rows(self) -> Iterator[tuple[Cell, ...]]:
        """By each of them, the most frequent value first."""
        for name, values in self._counts.items():
            for value, counts in sorted(values.items(), key=lambda item: (-item[1].total(), item[0])):
                yield self._words[name], value, counts.total(), *(counts[code] for code in _COUNTED)
