"""The shipped model hears what it was made to hear, by our engine and by plain transformers."""

from pathlib import Path

import soundfile
import torch
from transformers import AutoFeatureExtractor, AutoTokenizer, Wav2Vec2BertForCTC

from ringtrue.resources import resource
from services.asr.audio import RATE_HZ, resample
from services.asr.engine import EngineOptions, Segment, load_engine

FIXTURE = Path(__file__).parents[2] / "data" / "asr" / "held_out.flac"
TEXT = "je n'ai presque plus de batterie sonnez chez la voisine si je suis absent quelle est la couleur de la porte"
SAID = TEXT.split()


def test_the_demo_model_hears_unseen_sentences_of_unseen_voices() -> None:
    samples, rate_hz = soundfile.read(FIXTURE, dtype="float32")
    engine = load_engine("ctc", EngineOptions(str(resource("models/demo")), "cpu"))
    (heard,) = engine.transcribe([Segment(samples, rate_hz)])
    assert heard.text.split() == [word.text for word in heard.words]
    assert len(set(SAID) - set(heard.text.split())) <= 3
    assert abs(len(heard.words) - len(SAID)) <= 2
    assert all(a.start_ms < a.end_ms <= b.start_ms for a, b in zip(heard.words, heard.words[1:], strict=False))
    assert heard.words[-1].end_ms <= len(samples) * 1000 // rate_hz
    assert (heard.model, len(heard.model_revision)) == ("demo", 12)


def test_plain_transformers_loads_the_demo_model_and_hears_the_same() -> None:
    folder = resource("models/demo")
    samples, rate_hz = soundfile.read(FIXTURE, dtype="float32")
    inputs = AutoFeatureExtractor.from_pretrained(folder)(
        resample(samples, rate_hz), sampling_rate=RATE_HZ, return_tensors="pt"
    )
    with torch.inference_mode():
        best = Wav2Vec2BertForCTC.from_pretrained(folder, dtype=torch.float32)(**inputs).logits[0].argmax(-1)
    text = AutoTokenizer.from_pretrained(folder).decode(best)
    (heard,) = load_engine("ctc", EngineOptions(str(folder), "cpu")).transcribe([Segment(samples, rate_hz)])
    assert heard.text == text


def test_the_demo_model_is_small() -> None:
    assert sum(path.stat().st_size for path in resource("models/demo").iterdir()) < 4_000_000
