"""The labelled texts hold together: labels that may stand side by side, cited words that are there, enough of each."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest

from benchmarks.outcomes.corpus import DEVELOPMENT, FINAL, FOLDER, LANGUAGES, Case, Facts, Part, load_part
from ringtrue.outcomes import BAD, CODES, NOBODY_REACHED, Outcome

REACHED = {"client", "other_person", "voicemail", "announcement", "nobody"}
HARD = {
    "already_works",
    "announcement_variants",
    "client_rude",
    "hello_only",
    "ironic",
    "negation",
    "other",
    "refuse_or_postpone",
    "router_and_cancel",
    "silence_or_unreachable",
    "technician_question",
    "third_party",
    "voicemail_with_absent",
}
ARABIC = re.compile(r"[\u0600-\u06ff]")


@dataclass(frozen=True, slots=True)
class Least:
    """How many texts of a language there must be, of the part to develop with and the final one together."""

    texts: int
    of_code: int
    rude: int
    of_hard: int
    kinds: frozenset[str]


#: Calls in Darija have no tag for ironic courtesy.
LEAST = {
    "fr": Least(texts=620, of_code=45, rude=70, of_hard=25, kinds=frozenset(HARD)),
    "ary": Least(texts=300, of_code=30, rude=40, of_hard=10, kinds=frozenset(HARD - {"ironic"})),
}
#: What part of a language's texts is kept for the final figure.
FINAL_SHARE = (0.35, 0.5)


@cache
def parts() -> dict[str, Part]:
    """Those to develop with and the final ones, by file name without its ending."""
    names = [f"{language}_{part}" for language in LANGUAGES for part in (DEVELOPMENT, FINAL)]
    return {name: load_part(path) for name in names if (path := FOLDER / f"{name}.jsonl").exists()}


def cases(language: str) -> list[Case]:
    return [case for part in parts().values() if part.language == language for case in part.cases]


def every_case() -> list[Case]:
    return [case for part in parts().values() for case in part.cases]


def shown(case: Case) -> Facts:
    assert case.shown is not None, case.id
    return case.shown


def normal(text: str) -> str:
    """Letters and digits only, without accents and case."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(one for one in apart if not unicodedata.combining(one))))


def holds_words(text: str, words: str) -> bool:
    """Whether the words stand in the text, whole and one after the other."""
    if ARABIC.search(words):  # "and", "for" and articles are written with the word after them
        return words in text
    return f" {words} " in f" {text} "


def test_the_french_texts_are_there_in_both_parts() -> None:
    assert {"fr_dev", "fr_final"} <= parts().keys()


def test_each_id_stands_once() -> None:
    ids = Counter(case.id for case in every_case())
    assert [one for one, times in ids.items() if times > 1] == []


@pytest.mark.parametrize("language", LEAST)
def test_no_text_of_a_language_stands_twice_however_it_is_written(language: str) -> None:
    texts = Counter(normal(case.text) for case in cases(language))
    assert [one for one, times in texts.items() if times > 1] == []


def test_both_labels_follow_from_one_call_and_the_precedence() -> None:
    # 5, 6 and 7 are no codes of ACQUISITION, where such a call is postponed or something else; 2 goes before 7.
    beside = {Outcome.NO_EQUIPMENT: {2, 4}, Outcome.ABSENT: {2, 4}, Outcome.CLOSED: {4}}
    wrong = [case.id for case in every_case() if case.acquisition not in beside.get(Outcome(case.sav), {case.sav})]
    assert wrong == []


def test_who_was_reached_goes_with_the_outcome() -> None:
    assert {shown(case).reached for case in every_case()} <= REACHED
    reached = {"client", "other_person"}
    wrong = [
        case.id
        for case in every_case()
        if (shown(case).reached in reached) == (case.sav in NOBODY_REACHED)
        or (shown(case).reached == "other_person" and case.acquisition != Outcome.OTHER)
        or (case.sav == Outcome.SILENCE and shown(case).reached != "nobody")
    ]
    assert wrong == []


def test_the_words_of_what_is_shown_stand_in_the_text() -> None:
    for case in every_case():
        facts = shown(case)
        for words in (facts.appointment, facts.reason, facts.no_more_calls):
            assert words is None or holds_words(case.text, words), (case.id, words)
        assert facts.appointment_agreed is None or facts.appointment is not None, case.id


@pytest.mark.parametrize("language", LEAST)
def test_there_is_enough_of_each_code_behaviour_and_hard_kind(language: str) -> None:
    there, least = cases(language), LEAST[language]
    assert len(there) >= least.texts
    for type_, codes in CODES.items():
        counts = Counter(case.acquisition if type_ == "ACQUISITION" else case.sav for case in there)
        assert {code: counts[code] for code in codes if counts[code] < least.of_code} == {}, type_
    assert sum(case.behaviour == BAD for case in there) >= least.rude
    kinds = Counter(tag for case in there for tag in case.hard)
    assert kinds.keys() <= HARD
    assert {kind: kinds[kind] for kind in least.kinds if kinds[kind] < least.of_hard} == {}


@pytest.mark.parametrize("language", LEAST)
def test_the_final_part_is_a_good_share_of_the_texts(language: str) -> None:
    final = parts()[f"{language}_{FINAL}"]
    low, high = FINAL_SHARE
    assert low <= len(final.cases) / len(cases(language)) <= high
    assert {case.sav for case in final.cases} == set(CODES["SAV"])
