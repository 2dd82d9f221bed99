"""What the cells of the reports hold, cell by cell (domain.md, Reports)."""

import pytest

from ringtrue.messages import OrderVerdict
from ringtrue.outcomes import Language
from ringtrue.results.cases import Case
from services.archive import cells
from services.archive.cells import Cell, Line, Print
from services.archive.layouts import ACQUISITION_ADSL, ACQUISITION_VULA, SAV_ADSL, SAV_VULA, Layout
from tests.unit.archive import made
from tests.unit.archive.made import attempt, finding

REFUSED = made.order(motif="Client refuse installation", motif_outcome=1)


def line(verdict: OrderVerdict, language: Language = "fr") -> Line:
    case = Case(
        order=verdict.order,
        manifest=verdict.manifest,
        row=verdict.row,
        verdict=verdict.verdict,
        findings=verdict.findings,
        attempts=verdict.attempts,
        waiting_for=verdict.waiting_for,
        comment=verdict.comment,
        unassigned=verdict.unassigned,
        judged_at_ms=verdict.event_time_ms,
    )
    return Line(case, Print(made.ZONE, language))


def printed(
    verdict: OrderVerdict, layout: Layout[Line] = ACQUISITION_ADSL, language: Language = "fr"
) -> dict[str, Cell]:
    return {column.heading: column.cell(line(verdict, language)) for column in layout}


THREE = (
    attempt("recordings/a", "2026-11-18 09:00", rings=6),
    attempt("recordings/b", "2026-11-18 11:00", outcome=0, rings=3),
    attempt("recordings/c", "2026-11-18 13:00", outcome=0, rings=5),
)


def test_a_compliant_unreachable_order() -> None:
    rules = ("last_call", "attempts", "interval", "rings", "branch")
    verdict = made.verdict(findings=tuple(finding(rule) for rule in rules), attempts=THREE)
    assert printed(verdict) == {
        "File_date": "2026-11-19",
        "Date de dernier statut": "2026-11-18",
        "N° de commande": "C-1",
        "N_Ordre": "W-1",
        "nd": "0522000001",
        "Numero_de_contact": "212600000001",
        "Motif de rejet": "Client injoignable",
        "ville": "Fès",
        "Nbr_tentatives_appel": 3,
        "Conformite_Nb_Appel": "Conforme",
        "Nb_tonnalite": 5,
        "Conformite_Nb_Tonalite": "Conforme",
        "Conformité Intervalle": "Conforme",
        "Conformité_Declaratif": "Conforme",
        "Qualité_communication": "",
        "Conformité_IAM": "Conforme",
        "Commentaire_1": "",
    }


def test_the_file_date_is_the_verdicts_local_day() -> None:
    assert printed(made.verdict(event_time_ms=made.at("2026-11-18 23:59:59")))["File_date"] == "2026-11-18"
    assert printed(made.verdict(event_time_ms=made.at("2026-11-19 00:00:00")))["File_date"] == "2026-11-19"


def test_rings_are_those_of_the_last_call() -> None:
    assert cells.rings(line(made.verdict(attempts=THREE, findings=(finding("rings", "undetermined"),)))) == 5
    unknown = (*THREE[:2], attempt("recordings/c", "2026-11-18 13:00", rings=None))
    assert cells.rings(line(made.verdict(attempts=unknown))) == "inconnu"
    assert cells.rings(line(made.verdict(attempts=()))) == ""


def test_when_rings_failed_they_are_the_fewest_of_the_triple_that_the_finding_cites() -> None:
    blamed = finding("rings", "failed", "recordings/a", "recordings/b", "recordings/c")
    four = (*THREE, attempt("recordings/d", "2026-11-18 14:00", outcome=0, rings=1))
    assert cells.rings(line(made.verdict(attempts=four, findings=(blamed,)))) == 3
    late = finding("rings", "failed", "recordings/d")
    assert cells.rings(line(made.verdict(attempts=four, findings=(late,)))) == 1
    uncounted = tuple(attempt(call.call_id, "2026-11-18 09:00", rings=None) for call in THREE)
    assert cells.rings(line(made.verdict(attempts=uncounted, findings=(blamed,)))) == "inconnu"


@pytest.mark.parametrize(
    ("result", "word"),
    [("passed", "Conforme"), ("failed", "Non conforme"), ("undetermined", "À vérifier"), ("not_applicable", "")],
)
def test_each_result_has_its_word(result: str, word: str) -> None:
    rules = tuple(finding(rule, result) for rule in ("attempts", "interval", "rings", "last_call"))
    row = printed(made.verdict(findings=rules, attempts=THREE))
    headings = ("Conformite_Nb_Appel", "Conformite_Nb_Tonalite", "Conformité Intervalle", "Conformité_Declaratif")
    assert {row[heading] for heading in headings} == {word}


@pytest.mark.parametrize(
    ("verdict", "word"),
    [
        ("compliant", "Conforme"),
        ("non_compliant", "Non conforme"),
        ("to_review", "À vérifier"),
        ("pending", ""),
    ],
)
def test_each_verdict_has_its_word(verdict: str, word: str) -> None:
    assert printed(made.verdict(said=verdict))["Conformité_IAM"] == word


def test_another_motif_is_compliant_in_number_with_one_attempt_and_declared_by_its_last_call() -> None:
    judged = made.verdict(REFUSED, attempts=THREE[:1], findings=(finding("declaration", "failed"),))
    row = printed(judged)
    assert (row["Conformite_Nb_Appel"], row["Conformité_Declaratif"]) == ("Conforme", "Non conforme")
    nobody = made.verdict(REFUSED, findings=(finding("declaration", "failed", reason="no_call_found"),))
    assert printed(nobody)["Conformite_Nb_Appel"] == "Non conforme"
    unsure = made.verdict(REFUSED, findings=(finding("declaration", "undetermined", reason="coverage_incomplete"),))
    assert printed(unsure)["Conformite_Nb_Appel"] == "À vérifier"


@pytest.mark.parametrize(("behaviour", "word"), [(1, "Bien"), (0, "Mauvais"), (None, "")])
def test_behaviour_is_that_of_the_last_call_and_empty_for_injoignable(behaviour: int | None, word: str) -> None:
    calls = (THREE[0], attempt("recordings/z", "2026-11-18 14:00", behaviour=behaviour))
    assert printed(made.verdict(REFUSED, attempts=calls))["Qualité_communication"] == word
    assert printed(made.verdict(attempts=calls))["Qualité_communication"] == ""


def test_a_pending_order_says_what_it_waits_for_and_a_fresh_one_that_it_waits() -> None:
    waiting = made.verdict(said="pending", comment="En attente : appel recordings/a", attempts=THREE[:1])
    row = printed(waiting)
    assert (row["Nbr_tentatives_appel"], row["Conformite_Nb_Appel"]) == (1, "")
    assert row["Commentaire_1"] == "En attente : appel recordings/a"
    fresh = Line(Case(made.order(), made.MANIFEST, 2, "pending"), Print(made.ZONE, "fr"))
    assert [cells.attempts(fresh), cells.rings(fresh), cells.comment(fresh)] == ["", "", "En attente"]
    assert [cells.reached(fresh), cells.last_called(fresh), cells.stage(fresh)] == ["", "", "En attente"]


def test_recordings_without_a_client_are_always_told() -> None:
    judged = made.verdict(said="non_compliant", comment="Branche non conforme", unassigned=4)
    assert printed(judged)["Commentaire_1"] == (
        "Branche non conforme; Enregistrements sans numéro de client dans la période : 4"
    )


def test_the_outcome_is_that_of_the_last_call() -> None:
    assert cells.outcome(line(made.verdict(attempts=THREE[:1]))) == "Client injoignable"
    unknown = (attempt("recordings/a", "2026-11-18 09:00", outcome=None),)
    assert cells.outcome(line(made.verdict(attempts=unknown))) == "Non classifié"
    assert cells.outcome(line(made.verdict())) == ""


def test_results_speak_the_language_of_reports() -> None:
    judged = made.verdict(findings=(finding("interval", "failed"),), attempts=THREE)
    assert line(judged, "en").result("interval") == "Not compliant"


def test_acquisition_vula_has_its_own_numbers_and_the_time_of_the_last_call() -> None:
    order = made.order(category="VULA", line_id="L-9")
    rules = ("last_call", "attempts", "interval", "rings", "branch")
    verdict = made.verdict(order, findings=tuple(finding(rule) for rule in rules), attempts=THREE)
    assert printed(verdict, ACQUISITION_VULA) == {
        "Traité le": "2026-11-19",
        "Last": "2026-11-18",
        "InwiB2C_Commande_de_partage__c": "C-1",
        "ID Ligne": "L-9",
        "numéro ligne": "0522000001",
        "Ville": "Fès",
        "N de contact": "212600000001",
        "Statut Dégroupage": "Client injoignable",
        "Date_appel_technicien": "2026-11-18 13:00:00",
        "Nbr_tentatives_appel": 3,
        "Conformité_NB_APPEL": "Conforme",
        "Nb_tonalité": 5,
        "Conformité_Nb_Tonalité": "Conforme",
        "Conformité Délai": "Conforme",
        "Conformité_Declaratif": "Conforme",
        "Qualité_communication": "",
        "Conformité_IAM": "Conforme",
        "Commentaire_1": "",
    }


ABSENT = made.order(kind="SAV", motif="Client absent", motif_outcome=6, name="Amina Test")


def test_a_sav_order_of_another_motif() -> None:
    calls = (attempt("recordings/a", "2026-11-18 09:00", outcome=6, behaviour=0),)
    rules = (finding("declaration"), finding("branch"), finding("behaviour", "failed"))
    verdict = made.verdict(ABSENT, findings=rules, attempts=calls)
    assert printed(verdict, SAV_ADSL) == {
        "Date et heure suspension IAM": "2026-11-18 16:00:00",
        "ETAT": "Traité",
        "Date traitement": "2026-11-19",
        "N° de contact": "212600000001",
        "MDN": "0522000001",
        "Nom": "Amina Test",
        "Number IAM": "W-1",
        "Motif de suspension": "Client absent",
        "Date d'appel technicien": "2026-11-18 09:00:00",
        "Nbr d appel": 1,
        "Tonalités 5": "",
        "Joignabilité client": "Oui",
        "Sous Résultat": "Client absent",
        "Qualité de communication": "Mauvais",
        "NC Appel": "Conforme",
        "NC Déclaratif": "Conforme",
        "Conformité": "Conforme",
        "Commentaire": "",
        "Ville": "Fès",
    }
    vula = printed(verdict, SAV_VULA)
    assert (vula["Date de Suspension"], vula["Nom & prénom"], vula["NC déclaratif"]) == (
        "2026-11-18",
        "Amina Test",
        "Conforme",
    )


def test_sav_shows_the_number_of_attempts_where_they_are_too_few() -> None:
    sav = made.order(kind="SAV")
    few = made.verdict(sav, "non_compliant", attempts=THREE[:2], findings=(finding("attempts", "failed"),))
    nobody = made.verdict(ABSENT, "non_compliant", findings=(finding("declaration", "failed", reason="no_call_found"),))
    unsure = made.verdict(sav, "to_review", attempts=THREE[:2], findings=(finding("attempts", "undetermined"),))
    late = made.verdict(sav, attempts=THREE[:1], findings=(finding("attempts", "not_applicable"),))
    for layout in (SAV_ADSL, SAV_VULA):
        shown = [printed(verdict, layout)["NC Appel"] for verdict in (few, nobody, unsure, late)]
        assert shown == [2, 0, "À vérifier", ""]


@pytest.mark.parametrize(
    ("outcome", "word"), [(3, "Non"), (0, "Non"), (1, "Oui"), (4, "Oui"), (9, "inconnu"), (None, "inconnu")]
)
def test_a_client_was_reachable_when_the_last_call_reached_someone(outcome: int | None, word: str) -> None:
    calls = (THREE[0], attempt("recordings/z", "2026-11-18 14:00", outcome=outcome))
    assert cells.reached(line(made.verdict(attempts=calls))) == word
    assert cells.reached(line(made.verdict())) == "NA"


def test_a_sav_order_is_waiting_while_pending_and_done_afterwards() -> None:
    said = ("pending", "to_review", "compliant", "non_compliant")
    stages = [printed(made.verdict(ABSENT, verdict), SAV_ADSL)["ETAT"] for verdict in said]
    assert stages == ["En attente", "Traité", "Traité", "Traité"]


def test_every_word_of_a_row_is_there_in_english_under_the_same_headings() -> None:
    calls = (attempt("recordings/a", "2026-11-18 09:00", outcome=6, behaviour=0),)
    judged = made.verdict(ABSENT, "non_compliant", findings=(finding("declaration", "failed"),), attempts=calls)
    row = printed(judged, SAV_ADSL, "en")
    assert row.keys() == printed(judged, SAV_ADSL).keys()
    headings = ("ETAT", "Joignabilité client", "Sous Résultat", "Qualité de communication", "NC Déclaratif")
    assert [row[heading] for heading in headings] == ["Processed", "Yes", "Client not at home", "Bad", "Not compliant"]
