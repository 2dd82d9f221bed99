"""The engine that asks a language model: who is asked, how often, at what cost, and what comes of what goes wrong."""

import json
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ringtrue.errors import Misconfigured
from ringtrue.settings import ClassifierSettings
from services.classifier.engine import AsksOutside
from services.classifier.engines import load_engine
from services.classifier.models.engine import LanguageModelEngine
from services.classifier.models.port import NoAnswer, Request
from tests.unit.classifier.models.engines import (
    AT_HOME,
    LEXICAL,
    ZONE,
    Engines,
    about,
    metric,
    plain_outcomes,
    texts,
)
from tests.unit.classifier.models.scripted import Scripted, answer, call, words_of
from tests.unit.classifier.models.stub import Reply, Stub


def test_one_request_gives_both_answers_behaviour_and_facts(engines: Engines) -> None:
    text = "allô bonjour là je suis pas à la maison passez demain matin"
    words = [{"first": 10, "last": 11, "quote": "demain matin"}]
    model = Scripted(
        answer(text, 6, "je suis pas à la maison", acquisition=2, acquisition_words=words, reached="client")
    )
    [made] = engines.make(model).classify_many([call(text)])
    assert (made.acquisition.outcome, made.sav.outcome, made.behaviour) == (2, 6, 1)
    assert [span.text for span in made.sav.cited] == ["je suis pas à la maison"]
    assert made.shown is not None
    assert made.shown.reached == "client"
    assert (made.model, made.shortened, made.waits) == ("scripted-2026", False, False)
    assert made.prompt.startswith("fr-1-")
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "text", ["", "euh", "a", "euh hum j e", "allô", "allô allô allô", "oui", "le chien", "الو الو"]
)
def test_calls_of_a_few_words_are_answered_by_the_lexicon_and_never_reach_a_model(engines: Engines, text: str) -> None:
    model = Scripted(AssertionError("it was asked"))
    made = engines.make(model).classify_many([call(text)])
    assert made == LEXICAL.classify_many([call(text)])
    assert (made[0].model, made[0].prompt, made[0].shortened, model.asked) == ("", "", None, [])


@pytest.mark.parametrize(
    "bad",
    [
        "31",
        "injoignable",
        answer(AT_HOME, 4, "oui bonjour", sav=9),
        answer(AT_HOME, 4, "oui bonjour", sav_words=[]),
        answer(AT_HOME, 4, "oui bonjour", sav_words=[{"first": 50, "last": 51, "quote": "je refuse"}]),
        answer(AT_HOME, 4, "oui bonjour", sav_words=[{"first": 0, "last": 1, "quote": "je refuse"}]),
    ],
)
def test_an_answer_that_cannot_be_used_is_asked_for_once_more_and_then_there_is_none(
    engines: Engines, bad: str
) -> None:
    good = answer(AT_HOME, 4, "oui bonjour")
    model = Scripted(bad, good)
    assert plain_outcomes(engines.make(model).classify_many([call(AT_HOME)])) == [(4, 4, 1)]
    assert [("note" in json.loads(request.user)) for request in model.asked] == [False, True]
    never = Scripted(bad)
    [none] = engines.make(never, cache_entries=0).classify_many([call(AT_HOME)])
    assert (none.acquisition.outcome, none.sav.outcome, none.behaviour) == (9, 9, 2)
    assert (none.shown, none.waits, none.model, len(never.asked)) == (None, False, "scripted", 2)
    assert none.prompt


def test_what_the_transport_has_no_completion_for_is_not_asked_again(engines: Engines) -> None:
    model = Scripted(NoAnswer("stopped: content_filtered"))
    assert plain_outcomes(engines.make(model).classify_many([call(AT_HOME)])) == [(9, 9, 2)]
    assert len(model.asked) == 1


def test_the_plain_form_is_two_digits_and_nothing_else(engines: Engines) -> None:
    model = Scripted("41")
    assert plain_outcomes(engines.make(model, plain=True).classify_many([call(AT_HOME)])) == [(4, 4, 1)]
    assert "deux chiffres" in model.asked[0].system
    structured = Scripted(answer(AT_HOME, 4, "oui bonjour"))
    assert plain_outcomes(engines.make(structured, plain=True, cache_entries=0).classify_many([call(AT_HOME)])) == [
        (9, 9, 2)
    ]


def test_a_call_is_paid_once_whatever_happens_to_the_process(engines: Engines) -> None:
    model = Scripted(about)
    first = engines.make(model).classify_many([call(AT_HOME), call(AT_HOME)])
    assert len(model.asked) == 1
    again = engines.make(Scripted(AssertionError("it was asked")))
    assert again.classify_many([call(AT_HOME)]) == first[:1] == first[1:]


def test_another_prompt_or_form_of_the_words_is_another_question(engines: Engines) -> None:
    text = f"{AT_HOME} au 06 12 34 56 78"
    model = Scripted(about)
    for options in ({}, {"redact": False}, {"language": "ary"}):
        engines.make(model, **options).classify_many([call(text)])
    assert len(model.asked) == 3


def test_nothing_said_stands_in_the_file(engines: Engines) -> None:
    engines.make(Scripted(about)).classify_many([call(AT_HOME)])
    for path in engines.path.parent.iterdir():
        assert b"mosqu" not in path.read_bytes()
        assert b"bonjour" not in path.read_bytes()


def test_numbers_and_addresses_do_not_leave_the_house(engines: Engines) -> None:
    model = Scripted(about)
    text = f"{AT_HOME} mon numéro c'est le 06 12 34 56 78 ou karim@exemple.ma"
    [made] = engines.make(model).classify_many([call(text)])
    sent = model.asked[0].user
    assert "12" not in words_of(model.asked[0])
    assert "karim" not in sent
    assert words_of(model.asked[0]).count("[masked]") == 6
    assert made.sav.outcome == 4
    engines.make(model, redact=False).classify_many([call(text)])
    assert "karim@exemple.ma" in words_of(model.asked[1])


def test_a_long_call_is_shortened_and_says_so_and_its_words_keep_their_numbers(engines: Engines) -> None:
    long = " ".join([*(f"mot{n}" for n in range(300)), "je ne veux plus de la ligne", *(f"fin{n}" for n in range(300))])
    model = Scripted(answer(long, 1, "je ne veux plus de la ligne"))
    [made] = engines.make(model, max_words=100).classify_many([call(long)])
    assert (made.sav.outcome, made.shortened) == (1, True)
    assert [span.text for span in made.sav.cited] == ["je ne veux plus de la ligne"]
    assert len(words_of(model.asked[0])) == 100
    left_out = Scripted(answer(long, 1, "mot150 mot151"))
    assert plain_outcomes(engines.make(left_out, max_words=100, cache_entries=0).classify_many([call(long)])) == [
        (9, 9, 2)
    ]


def test_never_more_requests_are_under_way_than_may_be(engines: Engines) -> None:
    under_way, most, lock = 0, 0, threading.Lock()

    def slow(request: Request) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return about(request)

    made = engines.make(Scripted(slow), concurrency=3).classify_many([call(text) for text in texts(12)])
    assert plain_outcomes(made) == [(4, 4, 1)] * 12
    assert most == 3


def test_the_version_tells_model_prompts_and_guards(engines: Engines) -> None:
    def version(**options: Any) -> str:
        return engines.make(Scripted(about), **options).version

    assert version().startswith("scripted ")
    assert version() == version()
    assert len({version(), version(plain=True), version(language="fr"), version(max_words=100)}) == 4


def test_metrics_tell_where_answers_come_from(engines: Engines) -> None:
    def answers(source: str) -> float:
        return metric("ringtrue_llm_answers_total", source=source)

    before = {source: answers(source) for source in ("model", "cache", "lexicon", "none")}
    engine = engines.make(Scripted(about))
    engine.classify_many([call(AT_HOME), call("allô")])
    engine.classify_many([call(AT_HOME)])
    engines.make(Scripted("?")).classify_many([call(f"{AT_HOME} encore")])
    assert {source: answers(source) - was for source, was in before.items()} == {
        "model": 1,
        "cache": 1,
        "lexicon": 1,
        "none": 1,
    }


def test_the_settings_make_the_engine_and_the_transport(stub: Stub, tmp_path: Path) -> None:
    settings = ClassifierSettings(engine="openai", model="tiny", endpoint=stub.url, timeout_s=5)
    stub.says = answer(AT_HOME, 4, "oui bonjour")
    engine = load_engine(settings, data_dir=tmp_path, zone=ZONE)
    assert isinstance(engine, LanguageModelEngine)
    assert isinstance(engine, AsksOutside)
    assert not stub.asked
    with closing(engine):
        engine.start()
        [made] = engine.classify_many([call(AT_HOME)])
    assert (engine.name, made.sav.outcome, made.model) == ("openai", 4, "tiny-of-the-server")
    assert len(stub.asked) == 2
    assert stub.asked[1].body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert stub.asked[0].body["messages"][0] == stub.asked[1].body["messages"][0]


def test_settings_that_a_server_refuses_end_the_start_with_their_names(stub: Stub, tmp_path: Path) -> None:
    stub.always = Reply(404, {"error": {"message": "no model tiny"}})
    settings = ClassifierSettings(engine="openai", model="tiny", endpoint=stub.url)
    engine = load_engine(settings, data_dir=tmp_path, zone=ZONE)
    assert isinstance(engine, LanguageModelEngine)
    with closing(engine), pytest.raises(Misconfigured, match=r"no model tiny.*RINGTRUE_CLASSIFIER__MODEL"):
        engine.start()
