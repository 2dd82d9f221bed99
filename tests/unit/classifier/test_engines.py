"""Engines by the name in the settings."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from ringtrue.errors import Misconfigured
from ringtrue.settings import ClassifierSettings
from services.classifier.engine import AsksOutside, Classifier
from services.classifier.engines import load_engine
from services.classifier.models.engine import LanguageModelEngine
from services.classifier.models.sequence import SequenceEngine
from tests.unit.classifier.models.tiny import causal, sequence


def load(tmp_path: Path, **settings: Any) -> Classifier:
    return load_engine(
        ClassifierSettings.model_validate(settings), data_dir=tmp_path / "data", zone=ZoneInfo("Africa/Casablanca")
    )


def test_the_default_is_the_embedded_engine_which_needs_nothing(tmp_path: Path) -> None:
    engine = load(tmp_path)
    assert engine.name == "embedded"
    assert not isinstance(engine, AsksOutside)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("name", ["bedrock", "openai"])
def test_models_elsewhere_are_not_reached_before_they_are_started(tmp_path: Path, name: str) -> None:
    engine = load(tmp_path, engine=name, model="tiny", endpoint="http://127.0.0.1:9/v1")
    assert isinstance(engine, LanguageModelEngine)
    assert engine.name == name
    engine.close()


def test_a_folder_holds_a_model_that_completes_or_one_that_names_the_outcome(tmp_path: Path) -> None:
    folder = causal(tmp_path / "causal")
    completing = load(tmp_path, engine="local", model=str(folder), device="cpu")
    assert isinstance(completing, LanguageModelEngine)
    completing.close()
    naming = load(tmp_path, engine="local", model=str(sequence(tmp_path / "sequence", {0: "3", 1: "1"})), device="cpu")
    assert isinstance(naming, SequenceEngine)


def test_an_unknown_engine_or_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="'embedded', 'bedrock', 'openai', 'local' or 'cascade'"):
        load(tmp_path, engine="oracle")
    with pytest.raises(Misconfigured, match="RINGTRUE_CLASSIFIER__MODEL='nowhere'"):
        load(tmp_path, engine="local", model="nowhere")


def test_the_embedded_engine_imports_none_of_what_models_need() -> None:
    code = (
        "import sys; from pathlib import Path; from zoneinfo import ZoneInfo;"
        "from ringtrue.settings import ClassifierSettings; from services.classifier.engines import load_engine;"
        "load_engine(ClassifierSettings(), data_dir=Path(), zone=ZoneInfo('UTC'));"
        "sys.exit(', '.join({'boto3', 'torch', 'transformers', 'urllib3'} & set(sys.modules)) or None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
