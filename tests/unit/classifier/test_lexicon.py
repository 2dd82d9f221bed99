"""The lexicon: its spelling, its phrases, and what is said when it is wrong."""

from pathlib import Path

import pytest

from ringtrue.errors import Misconfigured
from services.classifier.arabizi import Transliterator, is_arabizi
from services.classifier.lexicon import DEFAULT_LEXICON, load_lexicon
from services.classifier.phrases import Phrase, PhraseBook, PhraseError
from services.classifier.spelling import Speller, fold


def held(phrase: str, text: str) -> list[str]:
    """The stretches of a text that hold the phrase."""
    lists = {"day": ["lundi", "mardi [matin|]"]}
    book = PhraseBook([Phrase(phrase, "sign", 1.0)], lists, ["le", "la", "de", "ne"], ["deux", "trois"])
    tokens = [token for word in text.split() for token in fold(word)]
    return [" ".join(tokens[match.start : match.end]) for match in book.find(tokens)]


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("je refuse", "non je refuse ça", ["je refuse"]),
        ("je refuse", "je refusais", []),
        ("refuse", "je refuse ou je refuse", ["refuse", "refuse"]),
        ("veux plus [ligne|box]", "je ne veux plus de la box", ["ne veux plus de la box"]),
        ("veux plus [ligne|]", "je veux plus rien", ["veux plus"]),
        ("pas la", "je suis pas la", ["pas la"]),
        ("pas ... demain", "pas ce jour là demain", ["pas ce jour la demain"]),
        ("pas ... demain", "pas un deux trois quatre cinq six demain", []),
        ("venez {day}", "venez mardi matin", ["venez mardi matin"]),
        ("à # heures", "à deux heures ou à 14 heures", ["a deux heures", "a 14 heures"]),
        ("[venez [{day}|demain]|passez]", "venez demain passez", ["venez demain", "passez"]),
    ],
)
def test_phrases_are_found_as_the_lexicon_explains(phrase: str, text: str, found: list[str]) -> None:
    assert held(phrase, text) == [" ".join(fold(stretch)) for stretch in found]


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("je [refuse", "brackets do not match"),
        ("je refuse]", "brackets do not match"),
        ("{month}", "there is no list {month}"),
        ("[oui|]", "has no word that it needs"),
    ],
)
def test_a_phrase_that_cannot_be_read_is_named(phrase: str, said: str) -> None:
    with pytest.raises(PhraseError) as error:
        held(phrase, "")
    assert said in str(error.value)
    assert phrase in str(error.value)


@pytest.mark.parametrize(
    "spellings",
    [
        ("rappelez", "rappeler", "rappelé", "rapeler", "RAPPELÉE"),
        ("veux", "veut"),
        ("œuvre", "oeuvre"),
        ("اتصالات", "إتصالات", "اتّصالات", "اتصـالات"),
        ("مدرسة", "مدرسه"),
        ("الروتور", "روتور"),
        ("تلاتة", "ثلاثة"),
    ],
)
def test_spellings_of_one_word_are_folded_into_one(spellings: tuple[str, ...]) -> None:
    assert len({tuple(fold(spelling)) for spelling in spellings}) == 1


@pytest.mark.parametrize(("one", "other"), [("maison", "mission"), ("pas", "par"), ("oui", "ouïe"), ("الخط", "الحظ")])
def test_different_words_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_a_long_word_is_mended_only_towards_the_one_word_that_is_near() -> None:
    speller = Speller(["raison"], ["maison", "demain", "annuler", "annulée", "fermer", "former"], {})
    assert speller.tokens("maisun") == fold("maison")
    assert speller.tokens("raison") == fold("raison")
    assert speller.tokens("farmers") == fold("farmers")
    assert speller.tokens("demein") == fold("demain")
    assert speller.tokens("pis") == fold("pis")


def test_a_word_longer_than_any_is_left_alone_whatever_its_length() -> None:
    assert Speller([], ["maison"], {}).tokens("ab" * 50_000) == ["ab" * 50_000]


def test_words_written_together_are_read_apart() -> None:
    speller = Speller([], ["دار"], {"jai": "j'ai"})
    assert speller.tokens("jai") == ["j", "ai"]
    assert speller.tokens("وماباغيش") == ["وماباغيش"]
    assert speller.tokens("ماباغيش") == ["ما", "باغيش"]
    assert speller.tokens("ودار") == ["و", "دار"]


def test_the_version_changes_with_the_lexicon(tmp_path: Path) -> None:
    changed = tmp_path / "lexicon.yaml"
    changed.write_text(DEFAULT_LEXICON.read_text("utf-8") + "\n# changed\n", "utf-8")
    version = load_lexicon()[1]
    assert version.startswith("2-")
    assert load_lexicon(changed)[1] != version


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("margin: 0.6", "margin: 6", "margin: Input should be less than or equal to 1"),
        ("margin: 0.6", "", "margin: Field required"),
        ("margin: 0.6", "margin: 0.6\nmargins: 1", "margins: Extra inputs are not permitted"),
        ("  jai: j'ai", "  j'ai: j'ai", "is not one word"),
        ("      pas question", "      pas [question", "brackets do not match"),
        ("  other:", "  nothing_such:", "signs.nothing_such"),
        ('version: "2"', 'version: "2', "is not YAML"),
    ],
)
def test_a_wrong_lexicon_says_what_is_wrong(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = DEFAULT_LEXICON.read_text("utf-8")
    assert before in text
    wrong = tmp_path / "lexicon.yaml"
    wrong.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(Misconfigured) as error:
        load_lexicon(wrong)
    assert said in str(error.value)
    assert "lexicon.yaml" in str(error.value)


def test_a_missing_lexicon_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.yaml: No such file"):
        load_lexicon(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("latin", "arabic"),
    [
        ("b9it", "بقيت"),
        ("ghedda", "غدا"),
        ("kaynch", "كاينش"),
        ("lghitha", "لغيتها"),
        ("wselni", "وصلني"),
        ("f7al", "فحال"),
    ],
)
def test_darija_in_latin_letters_is_read_by_its_consonants(latin: str, arabic: str) -> None:
    assert Transliterator(["والو", arabic]).meant(latin) == arabic


def test_only_who_writes_digits_for_letters_writes_darija_in_latin_letters() -> None:
    assert is_arabizi(["ma", "b9itch", "baghi"])
    assert not is_arabizi(["rendez-vous", "à", "14h", "le", "3", "mai", "avec", "adsl2"])
