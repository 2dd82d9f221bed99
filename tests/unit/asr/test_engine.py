"""The engine's contract and the stub, which no package but numpy is needed for."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from services.asr import engine as module
from services.asr.engine import CheckpointError, EngineError, EngineOptions, Segment, UnknownEngineError, load_engine


def noise(*lengths: int) -> list[Segment]:
    source = np.random.default_rng(1)
    return [Segment(source.standard_normal(n).astype(np.float32), 8_000) for n in lengths]


def test_the_stub_says_the_same_for_the_same_length() -> None:
    engine = load_engine("stub")
    short, long, again = engine.transcribe([Segment(np.zeros(n, np.float32), 8_000) for n in (3_999, 20_000, 20_000)])
    assert short.text == ""
    assert long == again
    assert long.text == "allô oui bonjour je vous"
    assert [(w.text, w.start_ms, w.end_ms) for w in long.words][-1] == ("vous", 2_000, 2_500)
    assert long.model == "stub"


def test_the_stub_echoes_the_texts_it_is_given_the_same_for_the_same_audio(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("non merci\n\nrappelez demain matin\n", "utf-8")
    engine = load_engine("stub", EngineOptions(model=str(texts)))
    segments = noise(*[8_000] * 20)
    heard = engine.transcribe(segments)
    assert {one.text for one in heard} == {"non merci", "rappelez demain matin"}
    assert engine.transcribe(segments[::-1]) == heard[::-1]
    refusal = next(one for one in heard if one.text == "non merci")
    assert [(w.text, w.start_ms, w.end_ms) for w in refusal.words] == [("non", 0, 500), ("merci", 500, 1_000)]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"\n \n"])
def test_a_file_without_texts_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"texts\.txt.*one (text )?on each line"):
        load_engine("stub", EngineOptions(model=str(path)))


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownEngineError, match="'oracle'; there are: ctc, stub, whisper"):
        load_engine("oracle")


def test_an_engine_whose_package_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    away = EntryPoint("ctc", "package_that_is_not_there:load", "ringtrue.engines")
    monkeypatch.setattr(module, "known_engines", lambda: {"ctc": away})
    with pytest.raises(EngineError, match=r"needs the package package_that_is_not_there: install ringtrue\[asr\]"):
        load_engine("ctc")


def test_the_stub_never_imports_torch() -> None:
    code = (
        "import sys; from services.asr.engine import load_engine; load_engine('stub'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
