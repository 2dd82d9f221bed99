"""wav2vec 2.0, HuBERT, the wav2vec 2.0 conformer: in a padded batch what transformers gives for a segment alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.asr.ctc.engine import load
from services.asr.engine import EngineOptions, Segment
from tests.unit.asr.ctc.models import conformer, hubert, in_positions, reference, segments, wav2vec2

#: From the least that makes a position; with a batch that is mostly padding.
LENGTHS = [16_000, 9_999, 400, 33_333, 12_345, 719, 720, 25_000, 8_000]


@pytest.mark.parametrize(
    ("make", "config"),
    [
        pytest.param(wav2vec2, {"feat_extract_norm": "group"}, id="wav2vec 2.0, group norm"),
        pytest.param(
            wav2vec2,
            {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True},
            id="wav2vec 2.0, layer norm",
        ),
        pytest.param(wav2vec2, {"add_adapter": True, "output_hidden_size": 32}, id="wav2vec 2.0, an adapter"),
        pytest.param(hubert, {"feat_extract_norm": "group"}, id="HuBERT, group norm"),
        pytest.param(hubert, {"conv_pos_batch_norm": True}, id="HuBERT, batch norm before the positions"),
        pytest.param(conformer, {"position_embeddings_type": "relative"}, id="conformer, relative positions"),
        pytest.param(conformer, {"position_embeddings_type": "rotary"}, id="conformer, rotary positions"),
    ],
)
def test_a_batch_gives_what_the_reference_gives_for_each_segment_alone(
    tmp_path: Path, make: Callable[..., Path], config: dict[str, Any]
) -> None:
    folder = make(tmp_path, **config)
    spoken = segments(LENGTHS)
    engine = load(EngineOptions(str(folder), "cpu", batch_s=60.0))
    heard = engine.transcribe(spoken)
    engine.close()
    position_ms = 160 if "add_adapter" in config else 20
    assert [in_positions(one, position_ms) for one in heard] == [reference(folder, segment) for segment in spoken]
    assert len({one.text for one in heard}) >= 5


def test_audio_without_one_position_is_empty(tmp_path: Path) -> None:
    engine = load(EngineOptions(str(wav2vec2(tmp_path)), "cpu"))
    short = [Segment(segment.samples, segment.rate_hz) for segment in segments([0, 1, 399])]
    assert [(one.text, one.words) for one in engine.transcribe(short)] == [("", ())] * 3
    engine.close()
