"""The cascade: what the embedded engine knows well costs nothing, the rest is asked."""

from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY

from ringtrue.messages import Answer
from ringtrue.settings import ClassifierSettings
from services.classifier.cascade import CascadeEngine
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import AsksOutside, Classification, Classifier, Transcript
from services.classifier.engines import load_engine

SURE = "bonjour madame non je ne veux plus de la ligne"
STRANGE = "tagada tsoin tsoin pimprenelle et coquelicots"


class Oracle:
    """Answers that the call was about something else, and remembers what it was asked."""

    name, version = "oracle", "7"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def classify_many(self, transcripts: Sequence[Transcript]) -> list[Classification]:
        self.asked += [" ".join(word.text for word in one.words) for one in transcripts]
        other = Answer(outcome=4, score=0.9, cited=())
        return [Classification(other, other, 1, model="oracle-large") for _ in transcripts]


def texts(*said: str) -> list[Transcript]:
    return [Transcript.of_text(text) for text in said]


def calls(by: str) -> float:
    return REGISTRY.get_sample_value("ringtrue_classifier_cascade_calls_total", {"by": by}) or 0.0


def test_only_what_the_first_is_not_sure_of_is_asked_and_answers_keep_their_places() -> None:
    oracle = Oracle()
    engine = CascadeEngine(EmbeddedEngine(), oracle, margin=0.8)
    answers = engine.classify_many(texts(STRANGE, SURE, STRANGE))
    assert oracle.asked == [STRANGE, STRANGE]
    assert [answer.sav.outcome for answer in answers] == [4, 1, 4]
    assert [answer.model for answer in answers] == ["oracle-large", "", "oracle-large"]


def test_the_margin_says_what_sure_is() -> None:
    oracle = Oracle()
    CascadeEngine(EmbeddedEngine(), oracle, margin=1.0).classify_many(texts("allô allô", ""))
    assert oracle.asked == ["allô allô"]


def test_nothing_is_asked_when_nothing_is_in_doubt() -> None:
    oracle = Oracle()
    assert len(CascadeEngine(EmbeddedEngine(), oracle, margin=0.8).classify_many(texts(SURE))) == 1
    assert oracle.asked == []


def test_the_share_that_was_asked_is_counted() -> None:
    before = calls("embedded"), calls("asked")
    CascadeEngine(EmbeddedEngine(), Oracle(), margin=0.8).classify_many(texts(SURE, SURE, STRANGE))
    assert (calls("embedded") - before[0], calls("asked") - before[1]) == (2, 1)


def test_its_version_changes_with_either_engine() -> None:
    embedded = EmbeddedEngine()
    assert CascadeEngine(embedded, Oracle(), 0.8).version == f"{embedded.version}+oracle 7"


@pytest.mark.parametrize("name", ["bedrock", "openai"])
def test_the_engine_behind_it_is_the_one_of_the_settings(tmp_path: Path, name: str) -> None:
    settings = ClassifierSettings.model_validate(
        {"engine": "cascade", "cascade_to": name, "model": "tiny", "endpoint": "http://127.0.0.1:9/v1"}
    )
    engine: Classifier = load_engine(settings, data_dir=tmp_path / "data", zone=ZoneInfo("Africa/Casablanca"))
    assert isinstance(engine, AsksOutside)
    assert engine.name == "cascade"
    assert f"+{name} " in engine.version
    engine.close()
