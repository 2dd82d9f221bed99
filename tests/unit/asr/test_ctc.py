"""The CTC engine against the Hugging Face reference: each segment alone, float32."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2CTCTokenizer,
)

from services.asr import ctc, frontend
from services.asr.ctc import CtcEngine
from services.asr.engine import CheckpointError, EngineError, Segment, load_engine

TOKENS = ["<pad>", "<unk>", "|", *"abcdefghijkl", "ch", "é"]


def checkpoint(folder: Path, **config: Any) -> Path:
    """A tiny random model whose best tokens vary, in the Hugging Face layout."""
    torch.manual_seed(7)
    settings: dict[str, Any] = {
        "vocab_size": len(TOKENS),
        "hidden_size": 32,
        "output_hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "conv_depthwise_kernel_size": 7,
        "pad_token_id": 0,
    }
    model = Wav2Vec2BertForCTC(Wav2Vec2BertConfig(**(settings | config)))
    with torch.no_grad():
        model.lm_head.weight.mul_(30)
        for name, weight in model.named_parameters():
            if "distance_embedding" in name:
                weight.mul_(30)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}), "utf-8")
    Wav2Vec2CTCTokenizer(folder / "vocab.json", bos_token=None, eos_token=None).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(padding_value=1, stride=2).save_pretrained(folder)
    return folder


def segments(lengths: list[int], rate_hz: int = 16_000) -> list[Segment]:
    rng = np.random.default_rng(3)
    made = []
    for length in lengths:
        loudness = np.repeat(rng.uniform(0.001, 0.3, length // 800 + 1), 800)[:length]
        made.append(Segment((rng.standard_normal(length) * loudness).astype(np.float32), rate_hz))
    return made


def reference_module() -> Any:
    """Transformers' own module, loaded apart, so that nothing the engine replaces in it is in the reference."""
    spec = importlib.util.find_spec(Wav2Vec2BertForCTC.__module__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = reference_module()


def reference(folder: Path, segment: Segment) -> tuple[str, list[tuple[str, int, int]]]:
    """Text and words (in positions) as Hugging Face gives them for one segment alone."""
    model = REFERENCE.Wav2Vec2BertForCTC.from_pretrained(folder).eval()
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder)
    extractor = SeamlessM4TFeatureExtractor.from_pretrained(folder)
    inputs = extractor(frontend.resample(segment.samples, segment.rate_hz), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        best = model(**inputs).logits[0].argmax(-1)
    heard = tokenizer.decode(best, output_word_offsets=True)
    return heard.text, [(w["word"], w["start_offset"], w["end_offset"]) for w in heard.word_offsets]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("checkpoint"))


LENGTHS = [16_000, 9_999, 560, 33_333, 12_345, 719, 720, 25_000, 16_160, 100]


def test_texts_of_a_batch_are_those_of_the_reference_for_each_segment_alone(folder: Path) -> None:
    spoken = segments(LENGTHS)
    heard = CtcEngine.load(str(folder), "cpu").transcribe(spoken)
    expected = [reference(folder, s) if len(s.samples) >= frontend.LEAST_SAMPLES else ("", []) for s in spoken]
    assert [t.text for t in heard] == [text for text, _ in expected]
    assert len({t.text for t in heard}) >= 8  # the random model does say something
    assert any(len(t.words) > 3 for t in heard)
    for transcription, (_, words) in zip(heard, expected, strict=True):
        assert [(w.text, w.start_ms // 20, w.end_ms // 20) for w in transcription.words] == words


def test_a_model_with_an_adapter_gives_the_same_texts_in_a_batch_as_alone(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, add_adapter=True)
    spoken = segments([16_000, 9_999, 33_333, 16_000, 719, 16_100])
    heard = CtcEngine.load(str(folder), "cpu").transcribe(spoken)
    for segment, transcription in zip(spoken, heard, strict=True):
        text, words = reference(folder, segment)
        assert transcription.text == text
        assert [(w.text, w.start_ms // 40, w.end_ms // 40) for w in transcription.words] == words


def test_order_and_company_do_not_change_a_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = CtcEngine.load(str(folder), "cpu")
    spoken = segments(LENGTHS)
    together = engine.transcribe(spoken)
    assert [t.text for t in engine.transcribe(spoken[::-1])[::-1]] == [t.text for t in together]
    monkeypatch.setitem(ctc.BATCH_POSITIONS, "cpu", 100)
    assert [t.text for t in engine.transcribe(spoken)] == [t.text for t in together]


def test_telephone_audio_is_resampled_by_the_one_filter(folder: Path) -> None:
    (segment,) = segments([8_000], rate_hz=8_000)
    (heard,) = CtcEngine.load(str(folder), "cpu").transcribe([segment])
    assert heard.text == reference(folder, segment)[0]


def test_silence_and_too_short_audio_have_a_defined_result(folder: Path) -> None:
    engine = CtcEngine.load(str(folder), "cpu")
    short = [Segment(np.zeros(n, np.float32), 16_000) for n in (0, 1, 240, 400, 559)]
    assert [(t.text, t.words) for t in engine.transcribe(short)] == [("", ())] * 5
    (silent,) = engine.transcribe([Segment(np.zeros(16_000, np.float32), 16_000)])
    assert all(0 <= word.confidence <= 1 for word in silent.words)
    assert engine.transcribe([]) == []


def test_confidences_are_probabilities_and_the_revision_follows_the_weights(folder: Path, tmp_path: Path) -> None:
    engine = CtcEngine.load(str(folder), "cpu")
    (heard,) = engine.transcribe(segments([33_333]))
    assert all(0 < word.confidence <= 1 for word in heard.words)
    assert heard.model_revision == CtcEngine.load(str(folder), "cpu").model_revision
    other = checkpoint(tmp_path, hidden_act="gelu", num_hidden_layers=1)
    assert CtcEngine.load(str(other), "cpu").model_revision != heard.model_revision


def test_samples_that_are_not_numbers_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="segment 0"):
        CtcEngine.load(str(folder), "cpu").transcribe([Segment(np.array([0.0, np.nan] * 400, np.float32), 16_000)])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = checkpoint(tmp_path)
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_engine("ctc", str(folder), "cpu")


def test_a_damaged_or_foreign_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="weights cannot be read"):
        load_engine("ctc", str(folder), "cpu")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "whisper"}), "utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json: model_type is 'whisper'"):
        load_engine("ctc", str(folder), "cpu")
    (folder / "config.json").write_text("{", "utf-8")
    with pytest.raises(CheckpointError, match=r"config\.json is not valid JSON"):
        load_engine("ctc", str(folder), "cpu")


def test_weights_that_would_stay_random_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}), "utf-8")
    with pytest.raises(CheckpointError, match="lacks"):
        load_engine("ctc", str(folder), "cpu")


def test_features_that_the_front_end_does_not_compute_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path)
    SeamlessM4TFeatureExtractor(stride=4).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="stride is 4"):
        load_engine("ctc", str(folder), "cpu")


def test_a_folder_or_device_that_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        load_engine("ctc", "./nowhere", "cpu")
    with pytest.raises(CheckpointError, match="needs a model"):
        load_engine("ctc")
    with pytest.raises(EngineError, match="cuda:77"):
        load_engine("ctc", str(folder), "cuda:77")
