"""Every layout has the headings of domain.md, Reports, in that order; the text below is that page's."""

import pytest

from services.archive.layouts import HEARD, INITIAL, LAYOUTS, RESULT, SAID, Layout

DOMAIN = {
    ("ACQUISITION", "ADSL"): """
        File_date, Date de dernier statut, N° de commande, N_Ordre, nd, Numero_de_contact, Motif de rejet,
        ville, Nbr_tentatives_appel, Conformite_Nb_Appel, Nb_tonnalite, Conformite_Nb_Tonalite, Conformité Intervalle,
        Conformité_Declaratif, Qualité_communication, Conformité_IAM, Commentaire_1""",
    ("ACQUISITION", "VULA"): """
        Traité le, Last, InwiB2C_Commande_de_partage__c, ID Ligne, numéro ligne, Ville, N de contact,
        Statut Dégroupage, Date_appel_technicien, Nbr_tentatives_appel, Conformité_NB_APPEL, Nb_tonalité,
        Conformité_Nb_Tonalité, Conformité Délai, Conformité_Declaratif, Qualité_communication, Conformité_IAM,
        Commentaire_1""",
    ("SAV", "ADSL"): """
        Date et heure suspension IAM, ETAT, Date traitement, N° de contact, MDN, Nom, Number IAM, Motif de suspension,
        Date d'appel technicien, Nbr d appel, Tonalités 5, Joignabilité client, Sous Résultat, Qualité de communication,
        NC Appel, NC Déclaratif, Conformité, Commentaire, Ville""",
    ("SAV", "VULA"): """
        Date de Suspension, N° de contact, MDN, Nom & prénom, Number IAM, Motif de suspension, Date d'appel technicien,
        Nbr d appel, Tonalités 5, Joignabilité client, Qualité de communication, NC Appel, NC déclaratif,
        Conformité IAM, Commentaire, Ville""",
}
COMMON = """
    numero_commande, client_number, date_commande, date_suspension, Nbr_tentatives_appel, Conformité Intervalle,
    appels_branch, Nb_tonnalite, status, Classification modele, Qualite_communication, Conformite_IAM, Commentaires"""


def named(text: str) -> list[str]:
    return [heading.strip() for heading in text.split(",")]


@pytest.mark.parametrize("kind", DOMAIN, ids="_".join)
def test_the_headings_are_those_of_the_business(kind: tuple[str, str]) -> None:
    assert [column.heading for column in LAYOUTS[kind]] == named(DOMAIN[kind])


def test_there_is_a_layout_for_each_kind_and_category_and_one_common_to_all() -> None:
    assert LAYOUTS.keys() == DOMAIN.keys()
    assert [column.heading for column in RESULT] == named(COMMON)


@pytest.mark.parametrize("layout", [*LAYOUTS.values(), RESULT, INITIAL, SAID, HEARD])
def test_no_heading_stands_twice_in_a_layout(layout: Layout[object]) -> None:
    headings = [column.heading for column in layout]
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=map("_".join, LAYOUTS))
def test_each_report_has_one_column_that_leads_to_the_evidence_the_verdicts(layout: Layout[object]) -> None:
    (column,) = [column for column in layout if column.shows == "verdict"]
    assert column.heading.startswith("Conformité")
