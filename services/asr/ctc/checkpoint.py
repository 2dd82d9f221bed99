"""A `Wav2Vec2BertForCTC` checkpoint in the Hugging Face layout: found, checked and loaded, or refused by name of file.

`open_checkpoint` takes a folder, or a model's name on the hub. What the front end cannot serve (another architecture,
other features) and weights that would stay at random are errors here, not nonsense in a transcript later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2BertForCTC, Wav2Vec2CTCTokenizer
from transformers.utils.logging import disable_progress_bar

from services.asr import attention, frontend
from services.asr.collapse import Vocabulary
from services.asr.engine import CheckpointError

#: The features that `frontend` computes; a checkpoint made for others cannot be served.
FEATURES: Mapping[str, int] = {
    "num_mel_bins": frontend.MELS,
    "stride": frontend.STRIDE,
    "sampling_rate": frontend.RATE_HZ,
}
#: Weights that only training uses: a checkpoint may lack them.
_TRAINING_ONLY = frozenset({"wav2vec2_bert.masked_spec_embed"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model with all that decoding needs.

    `equal_lengths`: the model ends in an adapter, whose convolution looks across the end of a padded segment, so only
    segments of one length may share a batch.
    """

    name: str
    revision: str
    model: Wav2Vec2BertForCTC
    tokenizer: Wav2Vec2CTCTokenizer
    vocabulary: Vocabulary
    padding: float
    position_ms: int
    equal_lengths: bool


def open_checkpoint(model: str, device: torch.device) -> Checkpoint:
    """Loads a checkpoint in float32, ready for inference.

    Args:
        model: a folder, or a model's name on the hub (`owner/name`).
        device: where the model shall live.

    Raises:
        CheckpointError: it is missing, incomplete, or of another kind.
    """
    folder = _folder(model)
    config = _json(folder / "config.json")
    if config.get("model_type") != "wav2vec2-bert":
        raise CheckpointError(
            f"{folder / 'config.json'}: model_type is {config.get('model_type')!r}; "
            "this engine runs 'wav2vec2-bert' (Wav2Vec2BertForCTC)"
        )
    features = _json(folder / "preprocessor_config.json")
    for name, value in FEATURES.items():
        if features.get(name, value) != value:
            raise CheckpointError(
                f"{folder / 'preprocessor_config.json'}: {name} is {features[name]}; this engine computes {value}"
            )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise CheckpointError(f"{folder / 'model.safetensors'} is missing (weights are read from safetensors only)")
    tokenizer = _tokenizer(folder)
    network = _network(folder)
    network.to(device)  # type: ignore[arg-type]  # its decorator hides the method's own signature from mypy
    size = int(network.config.vocab_size or 0)
    return Checkpoint(
        name=folder.name if Path(model).is_dir() else model,
        revision=_hash(weights),
        model=network,
        tokenizer=tokenizer,
        vocabulary=Vocabulary.of(
            tokenizer.convert_ids_to_tokens(list(range(size))),
            blank=tokenizer.pad_token,
            delimiter=tokenizer.word_delimiter_token,
            lower_case=tokenizer.do_lower_case,
        ),
        padding=float(features.get("padding_value", 0.0)),
        position_ms=frontend.POSITION_MS * _subsampling(network),
        equal_lengths=network.config.add_adapter,
    )


def _folder(model: str) -> Path:
    if not model:
        raise CheckpointError("the ctc engine needs a model: a checkpoint folder, or a model's name on the hub")
    if Path(model).is_dir():
        return Path(model)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise CheckpointError(f"{model}: no such folder")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=["*.json", "*.safetensors"]))
    except (OSError, ValueError) as failure:
        raise CheckpointError(
            f"{model}: no such folder, and the hub did not give a model of that name ({failure})"
        ) from failure


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except ValueError as failure:
        raise CheckpointError(f"{path} is not valid JSON: {failure}") from failure
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return content


def _tokenizer(folder: Path) -> Wav2Vec2CTCTokenizer:
    vocabulary = _json(folder / "vocab.json")
    tokenizer: Wav2Vec2CTCTokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folder)
    blank = tokenizer.pad_token
    inner = vocabulary.get(tokenizer.target_lang, vocabulary)
    if blank is None or blank not in inner:
        raise CheckpointError(f"{folder / 'vocab.json'}: the blank token {blank!r} is not in it")
    return tokenizer


def _network(folder: Path) -> Wav2Vec2BertForCTC:
    attention.install()
    disable_progress_bar()  # a service's standard error is its log
    try:
        loaded: Any = Wav2Vec2BertForCTC.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as failure:  # safetensors, torch and transformers each raise their own for a damaged file
        raise CheckpointError(f"{folder}: the weights cannot be read: {failure}") from failure
    network: Wav2Vec2BertForCTC = loaded[0].eval()
    missing = sorted(set(loaded[1]["missing_keys"]) - _TRAINING_ONLY)
    if missing:
        raise CheckpointError(
            f"{folder}: the weights file lacks {len(missing)} of the model's weights, such as {missing[0]}"
        )
    return network


def _subsampling(network: Wav2Vec2BertForCTC) -> int:
    config = network.config
    return int(config.adapter_stride**config.num_adapter_layers) if config.add_adapter else 1


def _hash(weights: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]
