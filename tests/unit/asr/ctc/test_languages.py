"""Models of many languages against transformers: each is heard with its own adapter, head and vocabulary."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoFeatureExtractor, Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

from services.asr.ctc.engine import load
from services.asr.engine import CheckpointError, EngineError, EngineOptions
from tests.unit.asr.ctc.models import many_languages, segments

FRENCH = ["<pad>", "<unk>", "|", *"abcdefgh", "é"]
DARIJA = ["<pad>", "<unk>", "|", *"ابتثجحخدذر"]
SPOKEN = [16_000, 9_999, 33_333, 12_345]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_languages(tmp_path_factory.mktemp("mms"), {"fra": FRENCH, "ary": DARIJA})


def heard(folder: Path, language: str) -> list[Any]:
    engine = load(EngineOptions(str(folder), "cpu", language=language))
    try:
        return engine.transcribe(segments(SPOKEN))
    finally:
        engine.close()


def letters(said: list[Any]) -> set[str]:
    return {letter for one in said for letter in one.text.replace("<unk>", "")}


def reference(folder: Path, language: str) -> list[str]:
    model = Wav2Vec2ForCTC.from_pretrained(folder, target_lang=language, ignore_mismatched_sizes=True).eval()
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder, target_lang=language)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    texts = []
    for segment in segments(SPOKEN):
        inputs = extractor(segment.samples, sampling_rate=16_000, return_tensors="pt")
        with torch.inference_mode():
            texts.append(tokenizer.decode(model(**inputs).logits[0].argmax(-1)))
    return texts


def test_a_language_is_heard_with_its_own_adapter_and_letters(folder: Path) -> None:
    said = heard(folder, "ary")
    assert [one.text for one in said] == reference(folder, "ary")
    assert len({one.text for one in said}) == len(SPOKEN)
    assert letters(said) <= {*DARIJA, " "}
    assert {one.language for one in said} == {"ary"}


def test_without_a_language_the_checkpoints_own_is_heard(folder: Path) -> None:
    said = heard(folder, "")
    assert letters(said) <= {*FRENCH, " "}
    assert {one.language for one in said} == {None}
    assert said[0].model_revision != heard(folder, "ary")[0].model_revision


def test_a_language_that_the_model_does_not_know_is_told_with_those_that_it_knows(folder: Path) -> None:
    with pytest.raises(
        EngineError, match=r"RINGTRUE_ASR__LANGUAGE is 'deu', which .*vocab\.json does not know.*ary, fra"
    ):
        heard(folder, "deu")


def test_weights_of_a_language_that_are_missing_or_damaged_are_named(tmp_path: Path) -> None:
    folder = many_languages(tmp_path, {"fra": FRENCH, "ary": DARIJA})
    (folder / "adapter.ary.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"adapter\.ary\.safetensors: the weights cannot be used"):
        heard(folder, "ary")
    (folder / "adapter.ary.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"adapter\.ary\.safetensors is missing"):
        heard(folder, "ary")
