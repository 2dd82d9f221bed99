"""Tiny random checkpoints in the Hugging Face layout, noise to transcribe, and what transformers itself makes of it."""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (
    AutoFeatureExtractor,
    HubertConfig,
    HubertForCTC,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerForCTC,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
)

from services.asr.audio import resample
from services.asr.engine import Segment, Transcription

TOKENS = ["<pad>", "<unk>", "|", *"abcdefghijkl", "ch", "é"]

_SMALL: dict[str, Any] = {
    "vocab_size": len(TOKENS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "pad_token_id": 0,
}
#: wav2vec 2.0's own kernels and strides, over few channels.
_CONVOLUTIONS: dict[str, Any] = {
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def w2v_bert(folder: Path, stride: int = 2, **config: Any) -> Path:
    """A `Wav2Vec2BertForCTC` whose best tokens vary; `stride` mel frames make a position."""
    settings = _SMALL | {"output_hidden_size": 32, "conv_depthwise_kernel_size": 7} | config
    settings["feature_projection_input_dim"] = 80 * stride
    extractor = SeamlessM4TFeatureExtractor(padding_value=1, stride=stride)
    return _saved(folder, lambda: Wav2Vec2BertForCTC(Wav2Vec2BertConfig(**settings)), extractor)


def wav2vec2(folder: Path, **config: Any) -> Path:
    """A `Wav2Vec2ForCTC`; with `feat_extract_norm="layer"` or `"group"`."""
    settings = _SMALL | _CONVOLUTIONS | config
    return _saved(folder, lambda: Wav2Vec2ForCTC(Wav2Vec2Config(**settings)), Wav2Vec2FeatureExtractor())


def many_languages(folder: Path, vocabularies: Mapping[str, Sequence[str]]) -> Path:
    """A `Wav2Vec2ForCTC` with an adapter and a head for each language, as MMS has them; the first one is its own."""
    own, *others = vocabularies
    nested = {language: {token: i for i, token in enumerate(tokens)} for language, tokens in vocabularies.items()}
    of_own = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "adapter_attn_dim": 8}
    wav2vec2(folder, vocab_size=len(vocabularies[own]), **of_own)
    (folder / "vocab.json").write_text(json.dumps(nested), "utf-8")
    Wav2Vec2CTCTokenizer(folder / "vocab.json", bos_token=None, eos_token=None, target_lang=own).save_pretrained(folder)
    for seed, language in enumerate(others):
        torch.manual_seed(seed)
        other = Wav2Vec2ForCTC(
            Wav2Vec2Config(**_SMALL | _CONVOLUTIONS | of_own | {"vocab_size": len(vocabularies[language])})
        )
        with torch.no_grad():
            other.lm_head.weight.mul_(30)
        save_file(
            {name: weight.contiguous() for name, weight in other._get_adapters().items()},
            folder / f"adapter.{language}.safetensors",
        )
    return folder


def hubert(folder: Path, **config: Any) -> Path:
    """A `HubertForCTC`."""
    settings = _SMALL | _CONVOLUTIONS | config
    return _saved(folder, lambda: HubertForCTC(HubertConfig(**settings)), Wav2Vec2FeatureExtractor(do_normalize=False))


def conformer(folder: Path, **config: Any) -> Path:
    """A `Wav2Vec2ConformerForCTC`."""
    settings = _SMALL | _CONVOLUTIONS | {"conv_depthwise_kernel_size": 7} | config
    return _saved(
        folder, lambda: Wav2Vec2ConformerForCTC(Wav2Vec2ConformerConfig(**settings)), Wav2Vec2FeatureExtractor()
    )


def segments(lengths: Sequence[int], rate_hz: int = 16_000) -> list[Segment]:
    """Noise whose loudness changes, so that a random model says something."""
    rng = np.random.default_rng(3)
    made = []
    for length in lengths:
        loudness = np.repeat(rng.uniform(0.001, 0.3, length // 800 + 1), 800)[:length]
        made.append(Segment((rng.standard_normal(length) * loudness).astype(np.float32), rate_hz))
    return made


def reference(folder: Path, segment: Segment) -> tuple[str, list[tuple[str, int, int]]]:
    """Text and words (start and end in positions) as transformers gives them for one segment alone, in float32."""
    model, extractor, tokenizer = _reference(folder)
    inputs = extractor(resample(segment.samples, segment.rate_hz), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        best = model(**inputs).logits[0].argmax(-1)
    heard = tokenizer.decode(best, output_word_offsets=True)
    return heard.text, [(w["word"], w["start_offset"], w["end_offset"]) for w in heard.word_offsets]


def in_positions(heard: Transcription, position_ms: int = 20) -> tuple[str, list[tuple[str, int, int]]]:
    """What our engine heard, in the reference's form."""
    return heard.text, [(w.text, w.start_ms // position_ms, w.end_ms // position_ms) for w in heard.words]


@cache
def _reference(folder: Path) -> tuple[Any, Any, Any]:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    # The modules are loaded apart, so that nothing the engine might replace in them is in the reference.
    module = _module(
        {"wav2vec2-bert": "wav2vec2_bert", "wav2vec2-conformer": "wav2vec2_conformer"}.get(
            config["model_type"], config["model_type"]
        )
    )
    model = getattr(module, config["architectures"][0]).from_pretrained(folder).eval()
    return model, AutoFeatureExtractor.from_pretrained(folder), Wav2Vec2CTCTokenizer.from_pretrained(folder)


@cache
def _module(name: str) -> Any:
    spec = importlib.util.find_spec(f"transformers.models.{name}.modeling_{name}")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _saved(folder: Path, make: Callable[[], Any], extractor: Any) -> Path:
    torch.manual_seed(7)
    model = make().eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(30)
        for name, weight in model.named_parameters():
            if "distance_embedding" in name:
                weight.mul_(30)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(TOKENS)}), "utf-8")
    Wav2Vec2CTCTokenizer(folder / "vocab.json", bos_token=None, eos_token=None).save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder
