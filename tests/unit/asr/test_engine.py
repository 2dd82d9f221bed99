"""The engine's contract, which no package but numpy is needed for."""

import subprocess
import sys

import numpy as np
import pytest

from services.asr.engine import Segment, UnknownEngineError, load_engine


def test_the_stub_says_the_same_for_the_same_length() -> None:
    engine = load_engine("stub")
    short, long, again = engine.transcribe([Segment(np.zeros(n, np.float32), 8_000) for n in (3_999, 20_000, 20_000)])
    assert short.text == ""
    assert long == again
    assert long.text == "allô oui bonjour je vous"
    assert [(w.text, w.start_ms, w.end_ms) for w in long.words][-1] == ("vous", 2_000, 2_500)
    assert long.model == "stub"


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownEngineError, match="'whisper'; there are: ctc, stub"):
        load_engine("whisper")


def test_the_stub_never_imports_torch() -> None:
    code = (
        "import sys; from services.asr.engine import load_engine; load_engine('stub'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
