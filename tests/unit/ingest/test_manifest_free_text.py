"""The comments of SAV manifests: whose number and name a person wrote into them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.manifests.free_text import Contact, find_contact
from ringtrue.manifests.layouts import Labels
from ringtrue.phone import NumberPlan, normalise
from tests.unit.ingest.manifests import LAYOUTS

[LABELS] = [layout.labels for layout in LAYOUTS.layouts if layout.kind == "SAV"]
NUMBER = "212612345678"


def number(text: str) -> str | None:
    return find_contact(text, LABELS).number


def name(text: str) -> str | None:
    return find_contact(text, LABELS).name


@pytest.mark.parametrize(
    "text",
    [
        "Contact : 0612345678",
        "CONTACT:0612345678",
        "contact0612345678",
        "Contacts 06 12 34 56 78",
        "contact = 06.12.34.56.78",
        "contact 06-12-34-56-78 svp",
        "contact 06 - 12 - 34 - 56 - 78",
        "contact\t0612 345 678",
        "contact\n0612345678\nRabat",
        "contact : +212612345678",
        "contact : +212 6 12 34 56 78",
        "contact : +212 (0)6 12 34 56 78",
        "contact : 00212612345678",
        "contact : 00 212 612 345 678",
        "contact : 212612345678.",
        "contact : (0612345678)",
        "contact : 0612345678/0661111111",
        "contact\u00a0:\u00a006\u00a012\u00a034\u00a056\u00a078",
        "N° de contact 0612345678",
        "nom et prénom du contact : Sara, 0612345678",
    ],
)
def test_the_number_after_the_word_contact_is_found_in_every_form(text: str) -> None:
    assert number(text) == NUMBER


@pytest.mark.parametrize(
    "text",
    [
        "GSM 0661111111, contact 0612345678",
        "0661111111 0661111112 Contact client : 0612345678 / 0661111113",
        "contact : fixe 0522123456 puis 0612345678",
        "contact le 18/11/2026 à 10h30 au 0612345678",
        "pas de contact ; rappelé, 0612345678",
    ],
)
def test_a_mobile_number_after_the_word_contact_comes_before_any_other(text: str) -> None:
    assert number(text) == NUMBER


@pytest.mark.parametrize(
    "text",
    [
        "GSM 0612345678 ou 0661111111",
        "0612345678 contact",
        "0612345678, contact : 0522123456",
        "contacter le client au 0612345678 puis 0661111111",
        "0522123456 0612345678",
        "05 22 12 34 56 06 12 34 56 78",
        "05 22 06 12 34 06 12 34 56 78",
        "ticket 712345678, tel 0612345678",
        "le 12.06.2026 06 12 34 56 78",
        "06-12-2026 0612345678",
        "2026-11-17 09:00 0612345678",
        "ND0522123456,MDN0612345678",
        "réf 061234567890 mobile 0612345678",
    ],
)
def test_else_the_first_mobile_number_is_taken_and_no_other_digits_for_one(text: str) -> None:
    assert number(text) == NUMBER


@pytest.mark.parametrize("text", ["0612345678", "612345678", "612345678.0", "6.12345678E+08", "6,12345678E+08"])
def test_a_comment_that_is_nothing_but_a_number_may_have_suffered_what_numbers_suffer(text: str) -> None:
    assert find_contact(text, LABELS) == Contact(NUMBER, None)


@pytest.mark.parametrize("text", ["Contact : 612345678 Karim", "contact 6.12345678E+08"])
def test_a_number_without_its_zero_is_taken_after_the_word_contact(text: str) -> None:
    assert number(text) == NUMBER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rien",
        "contact : 0522123456",
        "tel 612345678",
        "contact : 06123456",
        "contact : 06123456789",
        "contact : 06 12 34\n56 78",
        "contact : +33612345678",
        "06123 45x678 12/06/2026 12345678",
    ],
)
def test_what_is_not_surely_a_mobile_number_is_none(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    "text",
    [
        # after a label
        "Nom et prénom : ALAMI Karim Contact : 0612345678",
        "nom et prenom:ALAMI Karim;contact:0612345678",
        "NOM & PRÉNOM = ALAMI Karim\nTEL = 0612345678",
        "Contact : 0612345678 ; Nom et prénom : ALAMI Karim",
        "Nom et prénom ALAMI Karim tél 0612345678 Agdal",
        "Nom/Prénom : ALAMI Karim - 0612345678",
        "Perte de synchro. Nom client : ALAMI Karim. Contact 0612345678",
        "Nom : ALAMI Prénom : Karim Tél : 0612345678",
        "Client : ALAMI Karim, mobile 0612345678, Rabat",
        "Nom et prénom du contact : ALAMI Karim / 0612345678",
        "Nom complet :\nALAMI Karim\n0612345678",
        # before the label of the number
        "ALAMI Karim contact : 0612345678",
        "ALAMI Karim, contact 0612345678",
        "ALAMI Karim - N° de contact : 0612345678",
        "ALAMI Karim\nTél contact : 0612345678\nRue 12",
        "Pas de tonalité. ALAMI Karim (GSM : 0612345678)",
        "Nom et prénom : ; ALAMI Karim ; contact : 0612345678",
        # right before the number
        "Contact : ALAMI Karim 0612345678",
        "ALAMI Karim 0612345678",
        # after the last number
        "Contact : 0612345678 ALAMI Karim",
        "0612345678 / 0522123456 - ALAMI Karim",
        "Dérangement de la ligne, contact : 0612345678, ALAMI Karim",
        "merci de rappeler le 0612345678 (ALAMI Karim)",
    ],
)
def test_the_name_stands_after_its_label_before_the_numbers_or_after_the_last_number(text: str) -> None:
    assert find_contact(text, LABELS) == Contact(NUMBER, "ALAMI Karim")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Nom et prénom : Mme Fatima-Zahra EL IDRISSI, contact 0612345678", "Mme Fatima-Zahra EL IDRISSI"),
        ("M. ALAMI contact 0612345678", "M. ALAMI"),
        ("contact 0612345678 O'Brien Jean-Luc", "O'Brien Jean-Luc"),
        ("Élodie Gérard contact 0612345678", "Élodie Gérard"),
        ("Nom et pre\u0301nom : E\u0301lodie contact 0612345678", "Élodie"),
        ("محمد العلوي contact : 0612345678", "محمد العلوي"),
        ("Nom : client injoignable, contact 0612345678 ALAMI", "ALAMI"),
        ("Nom et prénom : ALAMI", "ALAMI"),
    ],
)
def test_names_are_kept_as_they_are_written(text: str, written: str) -> None:
    assert name(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "Contact : 0612345678",
        "Merci de contacter le client au 0612345678",
        "Perte de synchro depuis 2 jours, contact 0612345678",
        "Nom et prénom : contact : 0612345678",
        "contact 0612345678 à partir de 17h",
        "contact : 0612345678 rue 12",
        "0612345678 ok",
        "Nom et prénom de celui qui a appelé hier soir pour se plaindre du service, 0612345678",
    ],
)
def test_what_is_no_name_is_not_taken_for_one(text: str) -> None:
    assert name(text) is None


def test_without_labels_the_first_mobile_number_is_found_all_the_same() -> None:
    assert find_contact("GSM 0661111111 contact 0612345678", Labels()).number == "212661111111"


def test_another_country_has_its_own_mobile_numbers() -> None:
    france = NumberPlan(country="33", trunk="0", leading="123456789", mobile="67", length=9)
    assert find_contact("contact : 01 23 45 67 89, +33 6 12 34 56 78", LABELS, france).number == "33612345678"


WORDS = ["contact", "Nom et prénom", "nom :", "prénom :", "06", "12345678", "0612345678", "+212", "É", "ALAMI"]
MARKS = [
    ":",
    " ",
    "\n",
    "-",
    ".",
    "(",
    ")",
    "/",
    "18/11/2026",
    "10h30",
    "6.12345678E+08",
    "\u0301",
    "İ",
    "ß",
    "\u2028",
    "٠٦",
]


@given(st.lists(st.sampled_from(WORDS + MARKS), max_size=25).map("".join))
def test_no_text_breaks_the_reading_and_every_number_is_a_mobile_one(text: str) -> None:
    found = find_contact(text, LABELS)
    assert found.number is None or (normalise(found.number) == found.number and found.number[3] in "67")
    assert found.name is None or found.name.strip() == found.name != ""
