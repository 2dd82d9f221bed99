"""A stub server and engines for each test, and an environment in which nothing of AWS or of a proxy is set."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.classifier.models import engine as engine_module
from tests.unit.classifier.models.engines import LEXICAL, Engines
from tests.unit.classifier.models.stub import Stub, serving


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.upper().startswith("AWS_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving(Stub()) as stub:
        yield stub


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engines]:
    # Reading the lexicon takes longer than most of these tests.
    monkeypatch.setattr(engine_module, "EmbeddedEngine", lambda: LEXICAL)
    with ExitStack() as stack:
        yield Engines(tmp_path / "models.sqlite", stack)
