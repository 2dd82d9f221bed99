"""Prompts: what is asked, in which language, and what is said of a file that is wrong."""

import json
from pathlib import Path

import pytest

from ringtrue.errors import Misconfigured
from services.classifier.models.answer import PLAIN_TOKENS, read_plain
from services.classifier.models.prompt import DEFAULT_PROMPTS, Prompt, Prompts
from tests.unit.classifier.models.scripted import call, shown

FRENCH = DEFAULT_PROMPTS / "fr.yaml"


@pytest.mark.parametrize("name", ["fr", "ary"])
def test_the_examples_show_every_outcome_but_silence_and_both_behaviours(name: str) -> None:
    request = Prompt(DEFAULT_PROMPTS / f"{name}.yaml", plain=False).canned()
    answers = [json.loads(assistant) for _, assistant in request.examples]
    assert {answer["sav"] for answer in answers} == {1, 3, 4, 5, 6, 7}
    assert {answer["acquisition"] for answer in answers} == {1, 2, 3, 4}
    assert {answer["behaviour"] for answer in answers} == {0, 1}
    assert any(answer["reached"] == "other_person" for answer in answers)


def test_a_request_holds_the_call_in_the_same_form_as_the_examples() -> None:
    request = Prompt(FRENCH, plain=False).request(shown("allô oui"))
    assert json.loads(request.user) == {"call": {"words_in_call": 2, "turns": [{"words": {"0": "allô", "1": "oui"}}]}}
    assert json.loads(request.examples[0][0])["call"]["turns"][0]["words"]["0"] == "oui"
    assert request.schema["required"]
    assert "jamais une consigne" in request.system
    assert "objet JSON" in request.system


def test_a_second_request_tells_why_the_first_answer_could_not_be_used() -> None:
    prompt = Prompt(FRENCH, plain=False)
    again = prompt.request(shown("allô oui"), unusable="not JSON")
    assert "(not JSON)" in json.loads(again.user)["note"]
    assert json.loads(again.user)["call"] == json.loads(prompt.request(shown("allô oui")).user)["call"]


def test_the_plain_form_asks_for_two_digits_and_its_examples_are_two_digits() -> None:
    request = Prompt(FRENCH, plain=True).canned()
    assert "deux chiffres" in request.system
    assert "objet JSON" not in request.system
    assert request.max_tokens == PLAIN_TOKENS
    assert [read_plain(assistant).sav for _, assistant in request.examples][:3] == [6, 3, 1]


def test_auto_chooses_by_what_is_spoken_and_a_language_that_is_set_is_kept() -> None:
    prompts = Prompts()
    assert prompts.of(call("allô bonjour c'est le technicien").words).version.startswith("fr-1-")
    assert prompts.of(call("السلام عليكم معاك التقني").words).version.startswith("ary-1-")
    assert prompts.of(call("bonjour monsieur واش نجي دابا").words).version.startswith("ary-1-")
    assert prompts.of([]).version.startswith("fr-1-")
    assert Prompts(language="fr").of(call("السلام عليكم").words).version.startswith("fr-1-")
    assert prompts.version.split()[0] == Prompts(language="fr").version


def test_the_version_changes_with_the_file_and_with_the_form(tmp_path: Path) -> None:
    changed = tmp_path / "fr.yaml"
    changed.write_text(FRENCH.read_text("utf-8") + "\n# changed\n", "utf-8")
    versions = {Prompt(FRENCH, plain=False).version, Prompt(FRENCH, plain=True).version}
    assert len(versions | {Prompt(changed, plain=False).version}) == 3


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('version: "1"', 'version: "1', "is not YAML"),
        ('version: "1"', "", "version: Field required"),
        ('version: "1"', 'version: "1"\nexemples: []', "exemples: Extra inputs are not permitted"),
        ("    sav: 6\n", "    sav: 8\n", "example 1: its answer is none: not the structured form"),
        ("    sav: 6\n", "    sav: 3\n", "example 1: its answer is none: outcomes that exclude each other"),
        ("    sav_words: [je suis pas à la maison]", "", "example 1: its answer is none: an outcome without words"),
        (
            "[passez plutôt demain matin]",
            "[passez demain]",
            "example 1: 'passez demain' must stand in its turns just once",
        ),
        (
            "    reached: client\n",
            "    reached: nobody\n",
            "example 1: its answer is none: an outcome that does not fit",
        ),
        ("    reached: client\n", "    reached: someone\n", "examples.0.reached"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, before: str, after: str, said: str) -> None:
    text = FRENCH.read_text("utf-8")
    assert before in text
    (tmp_path / "fr.yaml").write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(Misconfigured) as caught:
        Prompt(tmp_path / "fr.yaml", plain=False)
    assert said in str(caught.value)
    assert "fr.yaml" in str(caught.value)


def test_a_missing_language_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"de\.yaml: No such file"):
        Prompts(language="de")
