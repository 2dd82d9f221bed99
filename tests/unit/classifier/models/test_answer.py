"""Answers of models: what is one, what is none, and what is left of it when it is kept."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.outcomes import CODES, Outcome
from services.classifier.models.answer import (
    FOLLOWS,
    Given,
    Stretch,
    Unusable,
    read_plain,
    read_structured,
    schema,
    without_quotes,
)
from services.classifier.models.document import make_document
from tests.unit.classifier.models.scripted import answer, call, cited, shown

SAID = "allô bonjour c'est le technicien non là je suis pas à la maison passez demain matin"
DOCUMENT = shown(SAID)
WORDS = SAID.split()


def changed(**fields: Any) -> str:
    """A right answer with other fields."""
    return answer(SAID, 6, "je suis pas à la maison", **fields)


def refused(text: str) -> str:
    """Why it is no answer."""
    with pytest.raises(Unusable) as caught:
        read_structured(text, DOCUMENT)
    return caught.value.reason


def test_a_structured_answer_says_outcomes_behaviour_and_facts_with_their_words() -> None:
    read = read_structured(
        changed(
            acquisition=2,
            acquisition_words=[cited(WORDS, "passez demain matin")],
            reached="client",
            reached_words=[cited(WORDS, "je suis pas")],
            appointment_words=[cited(WORDS, "demain matin")],
            appointment_agreed="no",
            reason_words=[cited(WORDS, "pas à la maison")],
            no_more_calls_words=[],
        ),
        DOCUMENT,
    )
    assert read == Given(
        acquisition=Outcome.POSTPONED,
        sav=Outcome.ABSENT,
        behaviour=1,
        acquisition_words=(Stretch(13, 15),),
        sav_words=(Stretch(7, 12),),
        cites=True,
        language="fr",
        reached="client",
        reached_by=Stretch(7, 9),
        appointment=Stretch(14, 15),
        appointment_agreed=False,
        reason=Stretch(9, 12),
    )


def test_a_fence_of_markdown_and_white_space_make_no_difference() -> None:
    assert read_structured(f"\n```json\n{changed()}\n```\n", DOCUMENT) == read_structured(changed(), DOCUMENT)


def test_a_quote_may_differ_in_case_apostrophes_and_commas_only() -> None:
    for quote in ("Je suis pas, à la maison!", "je suis pas à la maison"):
        words = [{"first": 7, "last": 12, "quote": quote}]
        assert read_structured(changed(sav_words=words), DOCUMENT).sav == Outcome.ABSENT
    words = [{"first": 7, "last": 12, "quote": "je suis à la maison"}]
    assert refused(changed(sav_words=words)) == "cites other words than stand there"


def test_who_cites_must_quote() -> None:
    assert refused(changed(sav_words=[{"first": 7, "last": 12}])) == "cites without the words"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"first": 14, "last": 16, "quote": "demain matin merci"}, "cites words that are not there"),
        ({"first": 90, "last": 91, "quote": "je refuse"}, "cites words that are not there"),
        ({"first": 9, "last": 7, "quote": ""}, "cites words that are not there"),
        ({"first": 0, "last": 2, "quote": "je refuse tout"}, "cites other words than stand there"),
        ({"first": 0, "last": 10**9, "quote": ""}, "cites words that are not there"),
        ({"first": -1, "last": 2, "quote": "allô"}, "not the structured form"),
        ({"first": "7", "last": 12, "quote": "je suis pas à la maison"}, "not the structured form"),
        ({"first": 7.0, "last": 12, "quote": "je suis pas à la maison"}, "not the structured form"),
        ({"first": True, "last": 12, "quote": "bonjour"}, "not the structured form"),
        ({"first": 7, "quote": "je"}, "not the structured form"),
        ({"first": 7, "last": 7, "quote": "je", "why": "sûr"}, "not the structured form"),
        ("je suis pas à la maison", "not the structured form"),
    ],
)
def test_words_that_are_cited_must_stand_there(words: object, why: str) -> None:
    assert refused(changed(sav_words=[words])) == why
    assert refused(changed(reason_words=[words])) == why


def test_words_that_are_not_shown_cannot_be_cited() -> None:
    document = make_document(call(SAID).words, [*range(5), *range(9, 16)], redact=False)
    with pytest.raises(Unusable, match="not there"):
        read_structured(changed(), document)


def test_a_citation_of_the_whole_call_shows_nothing() -> None:
    text = " ".join(f"mot{n}" for n in range(60))
    with pytest.raises(Unusable, match="too much at once"):
        read_structured(answer(text, 4, text), shown(text))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"acquisition": 5}, "not the structured form"),
        ({"acquisition": 9}, "not the structured form"),
        ({"sav": 8}, "not the structured form"),
        ({"sav": "6"}, "not the structured form"),
        ({"sav": 6.0}, "not the structured form"),
        ({"behaviour": 2}, "not the structured form"),
        ({"behaviour": True}, "not the structured form"),
        ({"language": "de"}, "not the structured form"),
        ({"reached": "nobody at all"}, "not the structured form"),
        ({"verdict": "conforme"}, "not the structured form"),
        ({"sav_words": None}, "not the structured form"),
        ({"sav_words": []}, "an outcome without words"),
        ({"acquisition_words": []}, "an outcome without words"),
        ({"behaviour": 0}, "bad behaviour without words"),
        ({"acquisition": 1}, "outcomes that exclude each other"),
        ({"acquisition": 3}, "outcomes that exclude each other"),
        ({"sav": 7, "acquisition": 2}, "outcomes that exclude each other"),
        ({"reached": "voicemail"}, "an outcome that does not fit who was reached"),
        ({"reached": "client", "sav": 3, "acquisition": 3}, "an outcome that does not fit who was reached"),
        ({"reached": "other_person", "acquisition": 2}, "someone else who decides for the client"),
        ({"reached": "other_person", "sav": 1, "acquisition": 1}, "someone else who decides for the client"),
    ],
)
def test_what_is_not_closed_or_contradicts_itself_is_no_answer(fields: dict[str, Any], why: str) -> None:
    assert refused(changed(**fields)) == why


@pytest.mark.parametrize(
    "text",
    [
        "",
        "61",
        "6",
        "null",
        "[]",
        "{}",
        "Voici ma réponse : " + changed(),
        changed() + "\n" + changed(),
        changed()[:-1],
        changed().replace('"sav": 6', '"sav": 6, "sav": 3'),
        changed().replace('"sav": 6', '"sav": NaN'),
        "[" * 100_000,
        " " * 30_000 + "x",
        "\ud800",
    ],
    ids=lambda text: text[:20],
)
def test_anything_else_is_no_answer(text: str) -> None:
    assert refused(text)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_whatever_is_more_than_unusable(text: str) -> None:
    refused(text)
    with suppress(Unusable):
        read_plain(text)


_CODE = st.integers(-1, 10)


@given(
    acquisition=_CODE,
    sav=_CODE,
    behaviour=_CODE,
    reached=st.sampled_from(["client", "other_person", "voicemail", "announcement", "nobody", "unknown"]),
    words=st.lists(st.tuples(st.integers(-1, 20), st.integers(-1, 20)), max_size=3),
)
def test_whatever_is_read_has_evidence_in_the_call_and_outcomes_that_fit(
    acquisition: int, sav: int, behaviour: int, reached: str, words: list[tuple[int, int]]
) -> None:
    cites = [{"first": first, "last": last, "quote": " ".join(WORDS[first : last + 1])} for first, last in words]
    text = changed(
        acquisition=acquisition, sav=sav, behaviour=behaviour, reached=reached, acquisition_words=cites, sav_words=cites
    )
    try:
        read = read_structured(text, DOCUMENT)
    except Unusable:
        return
    assert read.acquisition in CODES["ACQUISITION"]
    assert read.sav in CODES["SAV"]
    assert read.acquisition in FOLLOWS[read.sav]
    assert read.sav == Outcome.SILENCE or read.sav_words
    assert all(0 <= one.first <= one.last < len(WORDS) for one in (*read.acquisition_words, *read.sav_words))


@pytest.mark.parametrize(
    ("text", "acquisition", "sav", "behaviour"),
    [
        ("01", 0, 0, 1),
        ("10", 1, 1, 0),
        ("21", 2, 2, 1),
        (" 31\n", 3, 3, 1),
        ("3", 3, 3, 1),
        ("40", 4, 4, 0),
        ("71", 4, 7, 1),
        ("7", 4, 7, 1),
        # Whether a postponement was spoken of, two digits do not say.
        ("51", 9, 5, 1),
        ("60", 9, 6, 0),
    ],
)
def test_two_digits_are_the_outcome_for_sav_and_behaviour(
    text: str, acquisition: int, sav: int, behaviour: int
) -> None:
    read = read_plain(text)
    assert (read.acquisition, read.sav, read.behaviour, read.cites) == (acquisition, sav, behaviour, False)


@pytest.mark.parametrize("text", ["", "8", "9", "91", "32", "311", "3 1", "3,1", "31.", "code 3", "٣", "trois", '"31"'])
def test_anything_but_two_digits_is_no_plain_answer(text: str) -> None:
    with pytest.raises(Unusable, match="not two digits"):
        read_plain(text)


def test_the_schema_closes_every_object_and_names_every_field() -> None:
    made = schema()
    read_structured(changed(), DOCUMENT)
    assert list(made["properties"]) == list(json.loads(changed())) == made["required"]
    assert made["additionalProperties"] is False
    assert made["properties"]["sav_words"]["items"]["additionalProperties"] is False
    assert made["properties"]["acquisition"] == {"type": "integer", "enum": [0, 1, 2, 3, 4]}
    assert made["properties"]["sav"]["enum"] == list(range(8))
    assert made["properties"]["behaviour"]["enum"] == [0, 1]


def test_what_is_kept_of_an_answer_holds_no_word_of_the_call_and_reads_the_same() -> None:
    kept = without_quotes(changed(reason_words=[cited(WORDS, "pas à la maison")]))
    assert "maison" not in kept
    assert "quote" not in kept
    assert refused(kept) == "cites without the words"
    read = read_structured(kept, DOCUMENT, was_kept=True)
    assert (read.sav, read.reason) == (Outcome.ABSENT, Stretch(9, 12))
