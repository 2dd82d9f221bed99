"""What is masked before words go to a model."""

import pytest

from ringtrue.messages import Word
from services.classifier.models.document import make_document
from services.classifier.models.redaction import MASK, masked


def seen(text: str) -> str:
    """A text as a model sees it; masked words are `*`."""
    words = text.split()
    left = masked(words)
    assert len(left) == len(words)
    return " ".join(left).replace(MASK, "*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("appelez le 0612345678 merci", "appelez le * merci"),
        ("appelez le 06 12 34 56 78 merci", "appelez le * * * * * merci"),
        ("le 06.12.34.56.78 ou le +212612345678", "le * ou le *"),
        ("le 06-12 34-56 78", "le * * *"),
        ("dossier ND0522123456 ouvert", "dossier * ouvert"),
        ("رقمي هو ٠٦١٢٣٤٥٦٧٨ شكرا", "رقمي هو * شكرا"),
        ("c'est zéro six douze trente-quatre cinquante-six soixante-dix-huit voilà", "c'est * * * * * * voilà"),
        ("zéro six un deux trois quatre cinq six sept huit", "* * * * * * * * * *"),
        ("zero six twelve thirty four fifty six", "* * * * * * *"),
        ("رقمي زيرو ستة عشرين تلاتين ربعين خمسين", "رقمي * * * * * *"),
        ("le 06 douze 34 cinquante six 78", "le * * * * * *"),
        ("écrivez à karim.alami@exemple.ma merci", "écrivez à * merci"),
        ("karim point alami arobase exemple point ma merci", "* * * * * * * merci"),
        ("à karim @ exemple.ma", "à * * *"),
    ],
)
def test_long_numbers_and_addresses_are_masked_word_by_word(text: str, expected: str) -> None:
    assert seen(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "à dix heures trente",
        "demain à 14 h 30 au 12 rue des fleurs",
        "le vingt trois novembre",
        "le 23/11/2026 ou le 2026-11-24",
        "dans deux ou trois jours",
        "le code est 1234",
        "j'ai un rendez-vous",
        "il est sept heures et demie",
        "arobase",
        "",
    ],
)
def test_what_tells_no_person_stays(text: str) -> None:
    assert seen(text) == text


def test_what_is_said_between_the_digits_of_a_number_does_not_end_it() -> None:
    said = ["06", "12", "euh", "34", "oui", "d'accord", "56", "78"]
    assert [word for word in masked(said) if word != MASK] == ["euh", "oui", "d'accord"]
    assert masked(["oui", "six", "oui", "douze"]) == ["oui", "six", "oui", "douze"]


def test_each_speaker_is_masked_by_himself() -> None:
    numbers, other = ["06", "12", "34", "56", "78"], ["votre", "numéro", "c'est", "quoi", "déjà"]
    words = [
        Word(text=text, start_ms=100 * place, end_ms=100 * place + 90, confidence=1.0, channel=place % 2)
        for place, text in enumerate(text for pair in zip(numbers, other, strict=True) for text in pair)
    ]
    shown = make_document(words, range(len(words)), redact=True).shown
    assert [shown[place] for place in range(0, 10, 2)] == [MASK] * 5
    assert [shown[place] for place in range(1, 10, 2)] == other
