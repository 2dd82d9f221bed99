"""The embedded engine, on what people, machines and recognisers say."""

import random

import pytest

from ringtrue.messages import Span, Word
from ringtrue.outcomes import BAD, CODES, GOOD
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import Transcript
from tests.unit.classifier.cases import CASES, NO_EQUIPMENT, POSTPONED, REFUSED, UNREACHABLE, Case
from tests.unit.classifier.wordings import BEYOND, WORDINGS

ENGINE = EmbeddedEngine()


def outcomes(text: str) -> tuple[int, int]:
    """The outcome for ACQUISITION and for SAV."""
    answers = ENGINE.classify(Transcript.of_text(text))
    return int(answers.acquisition.outcome), int(answers.sav.outcome)


def spoken(*words: tuple[str, int], start_ms: int = 0) -> tuple[Word, ...]:
    """Words by (text, channel), half a second each."""
    return tuple(
        Word(
            text=text,
            start_ms=start_ms + 500 * place,
            end_ms=start_ms + 500 * place + 400,
            confidence=0.9,
            channel=channel,
        )
        for place, (text, channel) in enumerate(words)
    )


def said(text: str, channel: int = 0, start_ms: int = 0) -> tuple[Word, ...]:
    """A sentence on one channel."""
    return spoken(*((word, channel) for word in text.split()), start_ms=start_ms)


@pytest.mark.parametrize("case", [*CASES, *WORDINGS], ids=lambda case: case[0][:60])
def test_a_call_has_the_outcomes_that_the_domain_asks_for(case: Case) -> None:
    text, acquisition, sav = case
    assert outcomes(text) == (acquisition, sav)


@pytest.mark.parametrize("case", BEYOND, ids=lambda case: case[0][:60])
def test_what_it_cannot_tell_is_at_least_not_confused_with_unreachable(case: Case) -> None:
    assert 3 not in outcomes(case[0])


def test_acquisition_never_gets_an_outcome_that_only_sav_knows() -> None:
    for text, _, _ in [*CASES, *WORDINGS]:
        assert outcomes(text)[0] in {*CODES["ACQUISITION"], 9}


@pytest.mark.parametrize(
    ("text", "sav"),
    [
        ("je n'ai pas reçu la box je ne suis pas à la maison venez demain le bureau est fermé je veux annuler", 1),
        ("je n'ai pas reçu la box je ne suis pas à la maison venez demain le bureau est fermé", 5),
        ("je ne suis pas à la maison venez demain le bureau est fermé", 6),
        ("venez demain le bureau est fermé", 2),
        ("le bureau est fermé", 7),
    ],
)
def test_when_several_outcomes_apply_the_domains_precedence_decides(text: str, sav: int) -> None:
    assert outcomes(text)[1] == sav


@pytest.mark.parametrize(
    "text",
    [
        "je ne refuse pas l'installation vous pouvez venir maintenant",
        "je refuse pas du tout je vous attends",
        "non non je n'ai pas annulé la commande je vous attends",
        "je ne veux pas résilier je veux toujours la ligne",
        "on n'a pas déménagé on est à la maison",
    ],
)
def test_a_denied_refusal_is_none(text: str) -> None:
    assert 1 not in outcomes(text)


@pytest.mark.parametrize(
    "text",
    ["ça ne marche pas très bien", "est-ce que ça marche maintenant", "la fibre ne fonctionne plus depuis lundi"],
)
def test_what_does_not_work_or_is_only_asked_about_is_not_taken_for_working(text: str) -> None:
    assert 1 not in outcomes(text)


def test_a_third_party_cannot_refuse_until_the_account_holder_takes_the_phone() -> None:
    assert outcomes("je ne suis pas la titulaire mais on ne veut plus de la fibre") == (4, 4)
    handed_over = "je ne suis pas la titulaire attendez je vous passe mon mari allô oui je ne veux plus de la fibre"
    assert outcomes(handed_over) == (1, 1)


def test_a_message_left_on_a_machine_says_nothing_of_the_client() -> None:
    greeting = "bienvenue sur la messagerie vocale de karim laissez un message"
    assert outcomes(f"{greeting} bonjour c'est le technicien vous ne voulez plus de la ligne rappelez demain") == (3, 3)


def test_whoever_picks_up_after_a_welcome_is_heard() -> None:
    assert outcomes("maroc télécom vous souhaite la bienvenue allô oui bonjour je ne veux plus de la ligne") == (1, 1)


def test_announcements_that_follow_a_conversation_leave_it_open() -> None:
    assert outcomes("non je refuse l'installation votre correspondant est injoignable pour le moment") == (9, 9)


def test_a_technicians_offer_alone_postpones_nothing() -> None:
    assert outcomes("bonjour madame je peux passer demain matin pour votre ligne") == (9, 9)
    assert outcomes("bonjour madame je peux passer demain matin pour votre ligne oui d'accord") == (2, 2)


@pytest.mark.parametrize("text", ["", "   ", "euh", "Euh... hum, ah", "a b c", "ا"])
def test_nothing_but_fillers_and_single_letters_is_silence_for_sure(text: str) -> None:
    answers = ENGINE.classify(Transcript.of_text(text))
    assert (answers.acquisition.outcome, answers.sav.outcome, answers.behaviour) == (0, 0, GOOD)
    assert answers.sav.score == 1.0


def test_no_words_at_all_are_silence() -> None:
    assert ENGINE.classify(Transcript(())).sav.outcome == 0


@pytest.mark.parametrize(
    "text",
    [
        "je vous dis que je refuse espèce de connard",
        "allez vous faire voir",
        "tu es un menteur je vais me plaindre",
        "سير تقود من هنا",
        "نتا غير حمار",
    ],
)
def test_rude_words_are_bad_behaviour(text: str) -> None:
    assert ENGINE.classify(Transcript.of_text(text)).behaviour == BAD


def test_ordinary_talk_is_good_behaviour() -> None:
    assert all(ENGINE.classify(Transcript.of_text(text)).behaviour == GOOD for text, _, _ in [*CASES, *WORDINGS])


def test_the_words_that_decided_are_cited_with_their_times() -> None:
    words = said("bonjour madame non je ne veux plus de la ligne merci", start_ms=3000)
    answer = ENGINE.classify(Transcript(words)).acquisition
    assert answer.outcome == 1
    assert answer.cited == (Span(start_ms=5000, end_ms=7900, text="ne veux plus de la ligne"),)


def test_every_outcome_that_phrases_decide_cites_words_of_the_transcript() -> None:
    for text, _, sav in [*REFUSED, *POSTPONED, *UNREACHABLE, *NO_EQUIPMENT]:
        answer = ENGINE.classify(Transcript.of_text(text)).sav
        assert answer.outcome == sav
        assert answer.cited
        assert all(span.text in text for span in answer.cited)
        assert 0 < answer.score <= 1


def test_channels_are_read_apart_though_their_words_interleave() -> None:
    technician = said("je peux passer pour votre installation", channel=0)
    client = said("je ne veux plus de la ligne", channel=1, start_ms=200)
    mixed = tuple(sorted((*technician, *client), key=lambda word: word.start_ms))
    assert ENGINE.classify(Transcript(mixed)).sav.outcome == 1
    torn = spoken(("je", 0), ("ne", 1), ("veux", 0), ("plus", 1), ("de", 0), ("la", 1), ("ligne", 0))
    assert ENGINE.classify(Transcript(torn)).sav.outcome != 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("JE NE VEUX PLUS DE LA LIGNE !", (1, 1)),
        ("je veux plu de la ligne", (1, 1)),
        ("jai demenager", (1, 1)),
        ("rapeler moi demin demain", (2, 2)),
        ("votre corespondant est injoniable pour le moment", (3, 3)),
        ("votre correspondent est indisponible", (3, 3)),
        ("vueillez laiser un mesage apres le bip", (3, 3)),
        ("je n’ai pas recu le router", (4, 5)),
        ("ya persone a la maison", (4, 6)),
        ("le magazin est fermer", (4, 7)),
        ("مَا بْقِيتْش بَاغِي الخَطّ", (1, 1)),
        ("مابقيتش باغي لانترنيت", (1, 1)),
        ("إتصالات المغـــرب ترحّب بكم", (3, 3)),
        ("الوووو", (3, 3)),
    ],
)
def test_spelling_accents_and_slips_of_the_recogniser_do_not_matter(text: str, expected: tuple[int, int]) -> None:
    assert outcomes(text) == expected


def test_one_wrong_letter_in_every_tenth_word_changes_few_answers() -> None:
    rng = random.Random(20261118)
    cases = [*CASES, *WORDINGS]
    right = mistaken = 0
    for text, acquisition, sav in cases * 3:
        found = outcomes(" ".join(_misheard(word, rng) for word in text.split()))
        right += found == (acquisition, sav)
        mistaken += found[1] != 9 and (found[1] == 3) != (sav == 3)
    assert right / (3 * len(cases)) > 0.85
    assert mistaken / (3 * len(cases)) < 0.02


def _misheard(word: str, rng: random.Random) -> str:
    if rng.random() > 0.1:
        return word
    place = rng.randrange(len(word))
    return word[:place] + rng.choice("aeioulmnrst") + word[place + rng.randint(0, 1) :]


def test_many_are_classified_in_their_order() -> None:
    transcripts = [Transcript.of_text(text) for text, _, _ in CASES]
    assert ENGINE.classify_many(transcripts) == [ENGINE.classify(transcript) for transcript in transcripts]


def test_two_engines_with_the_same_lexicon_answer_alike_and_say_so() -> None:
    other = EmbeddedEngine()
    assert other.version == ENGINE.version
    for text, _, _ in CASES:
        assert other.classify(Transcript.of_text(text)) == ENGINE.classify(Transcript.of_text(text))
