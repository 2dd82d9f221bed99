"""The layouts of the reports (domain.md, Reports): tables of headings and of what stands under them.

Another operator's layout is another table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from services.archive import cells
from services.archive.cells import Cell, Line, Recording

Of = TypeVar("Of")


@dataclass(frozen=True, slots=True)
class Column(Generic[Of]):
    """A column.

    Attributes:
        heading: The business's own, the same in every language.
        cell: What it holds.
        shows: A result (or what stands for one) and the verdict have colours; the verdict leads to its evidence.
    """

    heading: str
    cell: Callable[[Of], Cell]
    shows: Literal["plain", "result", "verdict"] = "plain"


Layout = tuple[Column[Of], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A file.

    Attributes:
        name: Of the file, without the suffix.
        columns: Its columns.
        about: What a row tells of; that of verdicts comes with their evidence and a summary.
    """

    name: str
    columns: Layout[Any]
    about: Literal["verdicts", "orders", "calls"]


def _result_of(rule: str) -> Callable[[Line], Cell]:
    return lambda line: line.result(rule)


def _number(line: Line) -> Cell:
    return line.case.order.number


def _client(line: Line) -> Cell:
    return line.case.order.client_number


def _motif(line: Line) -> Cell:
    return line.case.order.motif


def _work_order(line: Line) -> Cell:
    return line.case.order.work_order


def _line_number(line: Line) -> Cell:
    return line.case.order.line_number


def _name(line: Line) -> Cell:
    return line.case.order.name


def _city(line: Line) -> Cell:
    return line.case.order.city


def _judged_on(line: Line) -> Cell:
    return line.print.day(line.case.judged_at_ms)


def _suspended_on(line: Line) -> Cell:
    return line.print.day(line.case.order.suspended_at_ms)


def _suspended_at(line: Line) -> Cell:
    return line.print.moment(line.case.order.suspended_at_ms)


def _heard(fact: str) -> Callable[[Recording], Cell]:
    """One of `Heard`'s facts; nothing where nothing was heard."""
    return lambda told: getattr(told.call.heard, fact, None)


def _seconds_of(fact: str) -> Callable[[Recording], Cell]:
    return lambda told: cells.seconds(getattr(told.call.heard, fact, None))


ACQUISITION_ADSL: Layout[Line] = (
    Column("File_date", _judged_on),
    Column("Date de dernier statut", _suspended_on),
    Column("N° de commande", _number),
    Column("N_Ordre", _work_order),
    Column("nd", _line_number),
    Column("Numero_de_contact", _client),
    Column("Motif de rejet", _motif),
    Column("ville", _city),
    Column("Nbr_tentatives_appel", cells.attempts),
    Column("Conformite_Nb_Appel", cells.enough_attempts, "result"),
    Column("Nb_tonnalite", cells.rings),
    Column("Conformite_Nb_Tonalite", _result_of("rings"), "result"),
    Column("Conformité Intervalle", _result_of("interval"), "result"),
    Column("Conformité_Declaratif", cells.declared_rightly, "result"),
    Column("Qualité_communication", cells.behaviour),
    Column("Conformité_IAM", cells.verdict, "verdict"),
    Column("Commentaire_1", cells.comment),
)

ACQUISITION_VULA: Layout[Line] = (
    Column("Traité le", _judged_on),
    Column("Last", _suspended_on),
    Column("InwiB2C_Commande_de_partage__c", _number),
    Column("ID Ligne", lambda line: line.case.order.line_id),
    Column("numéro ligne", _line_number),
    Column("Ville", _city),
    Column("N de contact", _client),
    Column("Statut Dégroupage", _motif),
    Column("Date_appel_technicien", cells.last_called),
    Column("Nbr_tentatives_appel", cells.attempts),
    Column("Conformité_NB_APPEL", cells.enough_attempts, "result"),
    Column("Nb_tonalité", cells.rings),
    Column("Conformité_Nb_Tonalité", _result_of("rings"), "result"),
    Column("Conformité Délai", _result_of("interval"), "result"),
    Column("Conformité_Declaratif", cells.declared_rightly, "result"),
    Column("Qualité_communication", cells.behaviour),
    Column("Conformité_IAM", cells.verdict, "verdict"),
    Column("Commentaire_1", cells.comment),
)

SAV_ADSL: Layout[Line] = (
    Column("Date et heure suspension IAM", _suspended_at),
    Column("ETAT", cells.stage),
    Column("Date traitement", _judged_on),
    Column("N° de contact", _client),
    Column("MDN", _line_number),
    Column("Nom", _name),
    Column("Number IAM", _work_order),
    Column("Motif de suspension", _motif),
    Column("Date d'appel technicien", cells.last_called),
    Column("Nbr d appel", cells.attempts),
    Column("Tonalités 5", _result_of("rings"), "result"),
    Column("Joignabilité client", cells.reached),
    Column("Sous Résultat", cells.outcome),
    Column("Qualité de communication", cells.behaviour),
    Column("NC Appel", cells.enough_attempts_or_how_many, "result"),
    Column("NC Déclaratif", cells.declared_rightly, "result"),
    Column("Conformité", cells.verdict, "verdict"),
    Column("Commentaire", cells.comment),
    Column("Ville", _city),
)

SAV_VULA: Layout[Line] = (
    Column("Date de Suspension", _suspended_on),
    Column("N° de contact", _client),
    Column("MDN", _line_number),
    Column("Nom & prénom", _name),
    Column("Number IAM", _work_order),
    Column("Motif de suspension", _motif),
    Column("Date d'appel technicien", cells.last_called),
    Column("Nbr d appel", cells.attempts),
    Column("Tonalités 5", _result_of("rings"), "result"),
    Column("Joignabilité client", cells.reached),
    Column("Qualité de communication", cells.behaviour),
    Column("NC Appel", cells.enough_attempts_or_how_many, "result"),
    Column("NC déclaratif", cells.declared_rightly, "result"),
    Column("Conformité IAM", cells.verdict, "verdict"),
    Column("Commentaire", cells.comment),
    Column("Ville", _city),
)

#: The layout of each kind and category.
LAYOUTS: dict[tuple[str, str], Layout[Line]] = {
    ("ACQUISITION", "ADSL"): ACQUISITION_ADSL,
    ("ACQUISITION", "VULA"): ACQUISITION_VULA,
    ("SAV", "ADSL"): SAV_ADSL,
    ("SAV", "VULA"): SAV_VULA,
}

#: Common to all kinds and categories: `result_...`.
RESULT: Layout[Line] = (
    Column("numero_commande", _number),
    Column("client_number", _client),
    Column("date_commande", lambda line: line.print.moment(line.case.order.ordered_at_ms)),
    Column("date_suspension", _suspended_at),
    Column("Nbr_tentatives_appel", cells.attempts),
    Column("Conformité Intervalle", _result_of("interval"), "result"),
    Column("appels_branch", _result_of("branch"), "result"),
    Column("Nb_tonnalite", cells.rings),
    Column("status", _motif),
    Column("Classification modele", cells.outcome),
    Column("Qualite_communication", cells.behaviour),
    Column("Conformite_IAM", cells.verdict, "result"),
    Column("Commentaires", cells.comment),
)

#: What registration alone shows: `initial_...`.
INITIAL: Layout[Line] = (
    Column("numero_commande", _number),
    Column("client_number", _client),
    Column("motif", _motif),
    Column("debut_periode", lambda line: line.print.moment(line.case.order.window_start_ms)),
    Column("date_suspension", _suspended_at),
    Column("Nbr_tentatives_appel", lambda line: len(line.calls)),
    Column("dates_appels", lambda line: ", ".join(line.print.moment(call.started_at_ms) for call in line.calls)),
    Column("branches_appels", lambda line: ", ".join(call.branch or "?" for call in line.calls)),
)

#: What was said: `assembler_output_...`.
SAID: Layout[Recording] = (
    Column("call_id", lambda told: told.call.call_id),
    Column("client_number", lambda told: told.call.client_number),
    Column("date_appel", lambda told: told.print.moment(told.call.started_at_ms)),
    Column("statut", lambda told: told.call.status),
    Column("langue", cells.languages),
    Column("transcription", lambda told: told.call.text),
)

#: What was heard: `ingestion_output_...`.
HEARD: Layout[Recording] = (
    Column("call_id", lambda told: told.call.call_id),
    Column("objet", lambda told: told.call.key),
    Column("statut", lambda told: told.call.status),
    Column("duree_s", _seconds_of("duration_ms")),
    Column("codec", _heard("codec")),
    Column("Nb_tonnalite", _heard("ring_count")),
    Column("confiance_tonalites", _heard("ring_confidence")),
    Column("tonalite_messagerie", cells.voicemail),
    Column("fin_derniere_tonalite_s", _seconds_of("last_ring_end_ms")),
    Column("segments", lambda told: told.call.parts_total),
    Column("segments_en_echec", lambda told: told.call.parts_failed),
    Column("avertissements", cells.oddities),
)
