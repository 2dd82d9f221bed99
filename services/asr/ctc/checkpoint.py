"""A CTC checkpoint in the Hugging Face layout: checked and loaded, or refused by the name of the file that is wrong.

What the front end cannot serve (another architecture, other features), a tokenizer that does not fit, and weights that
would stay at random are errors here, not nonsense in a transcript later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    HubertForCTC,
    Wav2Vec2BertForCTC,
    Wav2Vec2ConformerForCTC,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2ForCTC,
)
from transformers.utils.logging import disable_progress_bar

from services.asr import checkpoints
from services.asr.audio import RATE_HZ
from services.asr.ctc import languages, logmel
from services.asr.ctc.collapse import Vocabulary
from services.asr.ctc.networks import Wave
from services.asr.engine import CheckpointError, EngineOptions

#: By `model_type` of config.json.
ARCHITECTURES: Mapping[str, Any] = {
    "wav2vec2-bert": Wav2Vec2BertForCTC,
    "wav2vec2": Wav2Vec2ForCTC,
    "hubert": HubertForCTC,
    "wav2vec2-conformer": Wav2Vec2ConformerForCTC,
}
#: What preprocessor_config.json must say: for models that hear features, and for those that hear samples.
_FEATURES = {"num_mel_bins": logmel.MELS, "sampling_rate": RATE_HZ}
_SAMPLES = {"feature_size": 1, "sampling_rate": RATE_HZ}
_VARIANCE_FLOOR = 1e-7
_WIDTH = "feature_projection_input_dim"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model with all that decoding needs.

    Attributes:
        name: How results call it.
        revision: A hash of its weights.
        model: transformers' module, in float32 on the CPU.
        hear: The model's input for a wave of 16 kHz: samples [n], or features [frames, 80].
        stack: How features make positions; its padding is what shorter inputs are filled up with, samples too.
        tokenizer: For what the vocabulary does not say.
        vocabulary: What each token says.
        language: Which of its languages a model of many was told to hear.
    """

    name: str
    revision: str
    model: Any
    hear: Callable[[Wave], Tensor]
    stack: logmel.Stack
    tokenizer: Any
    vocabulary: Vocabulary
    language: str | None = None


def open_checkpoint(options: EngineOptions) -> Checkpoint:
    """Loads a checkpoint in float32, ready for inference.

    Raises:
        CheckpointError: It is missing, incomplete, or of another kind.
        EngineError: It has languages, and not the one that was asked for.
    """
    folder = checkpoints.folder_of(options.model, allow_pickle=options.allow_pickle, language=options.language)
    config = checkpoints.json_of(folder / "config.json")
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        known = ", ".join(map(repr, ARCHITECTURES))
        raise CheckpointError(f"{folder / 'config.json'}: model_type is {kind!r}; the ctc engine runs {known}")
    hear, stack = _ear(folder, kind)
    weights = checkpoints.weights_of(folder, allow_pickle=options.allow_pickle)
    language = options.language if config.get("adapter_attn_dim") else ""
    adapters = [languages.adapter_of(folder, language)] if language else []
    tokenizer = _tokenizer(folder, language)
    network = _network(folder, ARCHITECTURES[kind], safe=weights[0].suffix == ".safetensors")
    if language:
        languages.speak(network, folder, language)
    return Checkpoint(
        name=checkpoints.name_of(options.model),
        revision=checkpoints.revision_of([*weights, *adapters]),
        model=network,
        hear=hear,
        stack=stack,
        tokenizer=tokenizer,
        vocabulary=_vocabulary(folder, tokenizer, int(network.config.vocab_size or 0)),
        language=language or None,
    )


def _ear(folder: Path, kind: str) -> tuple[Callable[[Wave], Tensor], logmel.Stack]:
    path = folder / "preprocessor_config.json"
    if not path.exists() and (folder / "processor_config.json").exists():
        path = folder / "processor_config.json"  # where newer versions of transformers put it
        said = checkpoints.json_of(path).get("feature_extractor")
        if not isinstance(said, dict):
            raise CheckpointError(f"{path}: feature_extractor is {said!r}; its settings are expected")
    else:
        said = checkpoints.json_of(path)
    expected = _FEATURES if kind == "wav2vec2-bert" else _SAMPLES
    for name, value in expected.items():
        if said.get(name, value) != value:
            raise CheckpointError(f"{path}: {name} is {said[name]}; this engine computes {value}")
    padding = said.get("padding_value", 0.0)
    if not isinstance(padding, int | float):
        raise CheckpointError(f"{path}: padding_value is {padding!r}; a number is expected")
    if kind != "wav2vec2-bert":
        hear = _normal if said.get("do_normalize", True) else torch.from_numpy
        return hear, logmel.Stack(padding=float(padding))
    stride, width = said.get("stride", 2), checkpoints.json_of(folder / "config.json").get(_WIDTH, 2 * logmel.MELS)
    if type(stride) is not int or stride < 2 or stride * logmel.MELS != width:
        raise CheckpointError(
            f"{path}: stride is {stride!r}; frames of {logmel.MELS} values side by side must make the {width} that the "
            f"model takes ({_WIDTH} in config.json), and be two or more"
        )
    return logmel.log_mel, logmel.Stack(stride, float(padding))


def _normal(wave: Wave) -> Tensor:
    """Zero mean and unit variance (ddof = 0), as `Wav2Vec2FeatureExtractor` does it, in its float32."""
    return torch.from_numpy((wave - wave.mean()) / np.sqrt(wave.var() + _VARIANCE_FLOOR))


def _tokenizer(folder: Path, language: str) -> Wav2Vec2CTCTokenizer:
    path = folder / "tokenizer_config.json"
    kind = checkpoints.json_of(path).get("tokenizer_class", "Wav2Vec2CTCTokenizer") if path.exists() else ""
    if kind not in ("", "Wav2Vec2CTCTokenizer", "Wav2Vec2Tokenizer"):
        raise CheckpointError(f"{path}: tokenizer_class is {kind!r}; this engine reads Wav2Vec2CTCTokenizer")
    vocabulary = checkpoints.json_of(folder / "vocab.json")
    try:
        chosen: dict[str, Any] = {"target_lang": language} if language else {}
        tokenizer: Wav2Vec2CTCTokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder, **chosen)
    except Exception as failure:  # transformers raises whatever a malformed file leads to
        raise CheckpointError(f"{folder}: the tokenizer's files cannot be used: {failure!r}") from failure
    blank = tokenizer.pad_token
    inner = vocabulary.get(tokenizer.target_lang, vocabulary)
    wrong = next((token for token, number in inner.items() if type(number) is not int or number < 0), None)
    if wrong is not None:
        raise CheckpointError(
            f"{folder / 'vocab.json'}: the number of {wrong!r} is {inner[wrong]!r}; one from 0 is expected"
        )
    if blank is None or blank not in inner:
        raise CheckpointError(f"{folder / 'vocab.json'}: the blank token {blank!r} is not in it")
    return tokenizer


def _vocabulary(folder: Path, tokenizer: Wav2Vec2CTCTokenizer, size: int) -> Vocabulary:
    known = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens)
    beyond = sorted(token for token, number in known.items() if number >= size and token not in special)
    if beyond:
        raise CheckpointError(
            f"{folder / 'vocab.json'}: holds {len(beyond)} tokens beyond the model's {size} (config.json, vocab_size), "
            f"such as {beyond[0]!r}: the tokenizer is another model's"
        )
    if len(known) < size - len(special) - _UNUSED_TOKENS:
        raise CheckpointError(
            f"{folder / 'vocab.json'}: holds {len(known)} tokens where the model has {size} (config.json, vocab_size): "
            "the tokenizer is another model's"
        )
    return Vocabulary.of(
        tokenizer.convert_ids_to_tokens(list(range(size))),
        blank=str(tokenizer.pad_token),
        delimiter=str(tokenizer.word_delimiter_token),
        lower_case=tokenizer.do_lower_case,
    )


#: Outputs that a model may have without a token: heads are rounded up to a multiple of this now and then.
_UNUSED_TOKENS = 8


def _network(folder: Path, architecture: Any, *, safe: bool) -> Any:
    disable_progress_bar()  # a service's standard error is its log
    try:
        network, report = architecture.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=safe, local_files_only=True, output_loading_info=True
        )
    except Exception as failure:  # safetensors, torch and transformers each raise their own for a damaged file
        raise CheckpointError(
            f"{folder}: the weights cannot be read, or are not of the shape that config.json gives: {failure}"
        ) from failure
    # Weights that only training uses may be missing.
    missing = sorted(name for name in report["missing_keys"] if not name.endswith("masked_spec_embed"))
    if missing:
        raise CheckpointError(
            f"{folder}: the weights file lacks {len(missing)} of the model's weights, such as {missing[0]}"
        )
    return network.eval()
