"""The outcomes that a call can show (domain.md, Outcomes): codes, labels, and which order types know them."""

from enum import IntEnum
from typing import Literal

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")


class Outcome(IntEnum):
    """What a call shows. The codes are the business's own and stand in messages, databases and reports."""

    SILENCE = 0
    REFUSED = 1
    POSTPONED = 2
    UNREACHABLE = 3
    OTHER = 4
    NO_EQUIPMENT = 5
    ABSENT = 6
    CLOSED = 7
    NOT_CLASSIFIED = 9


#: The outcomes of a call in which nobody was reached.
NOBODY_REACHED = frozenset({Outcome.UNREACHABLE, Outcome.SILENCE})

#: What a technician's behaviour can be: rude, good or neutral, not classified.
BAD, GOOD, BEHAVIOUR_NOT_CLASSIFIED = 0, 1, 2

_COMMON = frozenset({Outcome.SILENCE, Outcome.REFUSED, Outcome.POSTPONED, Outcome.UNREACHABLE, Outcome.OTHER})

#: The outcomes that a call can have, by the type of the order it is judged for. 9 is none of them.
CODES: dict[str, frozenset[Outcome]] = {
    "ACQUISITION": _COMMON,
    "SAV": _COMMON | {Outcome.NO_EQUIPMENT, Outcome.ABSENT, Outcome.CLOSED},
}

_LABELS: dict[Language, dict[int, str]] = {
    "fr": {
        Outcome.SILENCE: "Silence",
        Outcome.REFUSED: "Client refuse installation",
        Outcome.POSTPONED: "Client reporte RDV",
        Outcome.UNREACHABLE: "Client injoignable",
        Outcome.OTHER: "Autre",
        Outcome.NO_EQUIPMENT: "Absence routeur client",
        Outcome.ABSENT: "Client absent",
        Outcome.CLOSED: "Local ferme",
        Outcome.NOT_CLASSIFIED: "Non classifié",
    },
    "en": {
        Outcome.SILENCE: "Silence",
        Outcome.REFUSED: "Client refuses the installation",
        Outcome.POSTPONED: "Client postpones the appointment",
        Outcome.UNREACHABLE: "Client unreachable",
        Outcome.OTHER: "Other",
        Outcome.NO_EQUIPMENT: "Client has no router",
        Outcome.ABSENT: "Client not at home",
        Outcome.CLOSED: "Premises closed",
        Outcome.NOT_CLASSIFIED: "Not classified",
    },
}


def label(outcome: int, language: Language = "fr") -> str:
    """The outcome's label; the French ones are those that manifests and reports use."""
    return _LABELS[language][outcome]
