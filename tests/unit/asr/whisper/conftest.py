"""The checkpoint that most tests are content with, and its engine."""

from pathlib import Path

import pytest

from services.asr.whisper.engine import WhisperEngine
from tests.unit.asr.whisper import tiny


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("whisper") / "tiny")


@pytest.fixture(scope="session")
def engine(folder: Path) -> WhisperEngine:
    return tiny.engine(folder)
