"""What the embedded engine tells of a call beside its outcome, each with the words that say so."""

import pytest

from ringtrue.messages import Shown, Span, Word
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import Transcript

ENGINE = EmbeddedEngine()


def shown(text: str) -> Shown:
    found = ENGINE.classify(Transcript.of_text(text)).shown
    assert found is not None
    return found


def text_of(span: Span | None) -> str | None:
    return span.text if span else None


@pytest.mark.parametrize(
    ("text", "reached"),
    [
        ("", "nobody"),
        ("allô allô", "nobody"),
        ("votre correspondant est injoignable pour le moment", "announcement"),
        ("bienvenue sur la boîte vocale de karim laissez un message après le bip", "voicemail"),
        ("العلبة الصوتية ديال الرقم", "voicemail"),
        ("bonjour je ne suis pas la titulaire il faut voir avec mon mari", "other_person"),
        ("bonjour madame non je ne veux plus de la ligne", "client"),
        ("tagada tsoin tsoin pimprenelle et coquelicots", None),
    ],
)
def test_it_says_who_was_reached_where_phrases_tell(text: str, reached: str | None) -> None:
    assert shown(text).reached == reached


def test_a_machine_is_cited() -> None:
    assert text_of(shown("vous êtes sur la messagerie vocale de karim").reached_by) == "la messagerie vocale"


@pytest.mark.parametrize(
    ("text", "appointment", "agreed"),
    [
        ("rappelez moi demain matin", "demain matin", None),
        ("je peux passer demain matin pour votre ligne oui d'accord", "demain matin", True),
        ("la ligne ne marche plus depuis lundi venez maintenant", None, None),
        ("je ne veux plus de la ligne", None, None),
        ("عيط ليا غدا العشية واخا", "غدا العشية", True),
    ],
)
def test_an_appointment_is_told_where_it_was_agreed_to_or_the_call_put_off(
    text: str, appointment: str | None, agreed: bool | None
) -> None:
    found = shown(text)
    assert (text_of(found.appointment), found.appointment_agreed) == (appointment, agreed)


def test_a_reason_is_what_follows_because() -> None:
    found = shown("non je ne veux plus de la ligne parce que j'ai déménagé à rabat le mois dernier avec ma famille")
    assert text_of(found.reason) == "j'ai déménagé à rabat le mois dernier avec"
    assert shown("non je ne veux plus de la ligne").reason is None


@pytest.mark.parametrize(
    "text", ["ne m'appelez plus", "arrêtez de m'appeler", "ما تعاودوش تعيطو ليا", "ne me rappelez plus"]
)
def test_a_request_not_to_be_called_again_is_cited(text: str) -> None:
    cited = shown(f"bonjour {text} merci").no_more_calls
    assert cited is not None
    assert cited.text in text


def test_the_seconds_are_those_of_the_words() -> None:
    words = [
        Word(text=text, start_ms=1000 * place, end_ms=1000 * place + 800, confidence=0.9, channel=0)
        for place, text in enumerate(["non", "merci", "ne", "m'appelez", "plus"])
    ]
    cited = ENGINE.classify(Transcript(tuple(words))).shown
    assert cited is not None
    assert cited.no_more_calls == Span(start_ms=2000, end_ms=4800, text="ne m'appelez plus")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("bonjour je ne suis pas disponible rappelez moi demain", "fr"),
        ("السلام عليكم ما مساليش دابا عيط ليا غدا", "ary"),
        ("salam khoya ma b9itch baghi had labonnement rani mchit 3end inwi", "ary"),
        ("bonjour oui c'est pour la ligne لا ما بغيتش", "mixed"),
        ("the person you are calling is not available please leave a message", "en"),
        ("", None),
    ],
)
def test_the_language_is_told_by_script_and_common_words(text: str, language: str | None) -> None:
    assert shown(text).language == language
