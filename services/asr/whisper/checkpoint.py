"""A `WhisperForConditionalGeneration` checkpoint: checked and loaded, or refused by name of file.

Whatever would show only as nonsense in a transcript later is an error here: another architecture, features that the
model was not made for, a tokenizer whose ids are not the model's, weights that would stay at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers import (
    GenerationConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import LANGUAGES
from transformers.utils.logging import disable_progress_bar

from services.asr.audio import RATE_HZ
from services.asr.checkpoints import folder_of, json_of, name_of, revision_of, weights_of
from services.asr.engine import CheckpointError

ARCHITECTURE: Final = "WhisperForConditionalGeneration"
#: Samples between two mel frames. The decoder's positions, and so word times, are two frames apart: 20 ms.
HOP: Final = 160
POSITION_MS: Final = 2 * HOP * 1000 // RATE_HZ
#: Where the generation config does not say so, a model of this vocabulary knows languages (OpenAI: `is_multilingual`).
_MULTILINGUAL_VOCABULARY: Final = 51_865
#: Whisper's code for Javanese is none; ISO 639-1 has jv. (Hawaiian and Cantonese have none there: they stay haw, yue.)
_ISO: Final = {"jw": "jv"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The ids of the tokens that are not text; text is what lies below `end`.

    Attributes:
        languages: By ISO 639-1 code; none in a model for English only.
        never: Not to be written, by the checkpoint's own list or because it is neither text nor the end.
        not_first: Not to be written first.
    """

    end: int
    start: int
    previous: int
    transcribe: int
    no_timestamps: int
    no_speech: int
    languages: Mapping[str, int]
    never: tuple[int, ...]
    not_first: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model with all that it needs.

    Attributes:
        heads: The attention heads that follow the audio, as pairs of layer and head.
        window: 16 kHz samples that the model hears at once: 30 s in OpenAI's.
        longest: Tokens that the decoder has positions for: 448 in OpenAI's.
    """

    name: str
    revision: str
    model: WhisperForConditionalGeneration
    tokenizer: WhisperTokenizer
    extractor: WhisperFeatureExtractor
    tokens: Tokens
    heads: tuple[tuple[int, int], ...]
    window: int
    longest: int


def open_checkpoint(model: str, device: torch.device, dtype: torch.dtype, *, allow_pickle: bool = False) -> Checkpoint:
    """Loads a checkpoint, ready for inference.

    Args:
        model: A folder, or a model's name on the hub (`owner/name`).
        device: Where the model shall live.
        dtype: Of its weights and arithmetic.
        allow_pickle: Whether weights may be read from pickle files.

    Raises:
        CheckpointError: It is missing, incomplete, or of another kind; the message names the file.
    """
    folder = folder_of(model, allow_pickle=allow_pickle)
    config = json_of(folder / "config.json")
    kinds = config.get("architectures") or [ARCHITECTURE]
    if config.get("model_type") != "whisper" or ARCHITECTURE not in kinds:
        raise CheckpointError(
            f"{folder / 'config.json'}: model_type is {config.get('model_type')!r}, architectures {kinds}; "
            f"this engine runs 'whisper' ({ARCHITECTURE})"
        )
    weights = weights_of(folder, allow_pickle)
    generation = json_of(path) if (path := folder / "generation_config.json").is_file() else {}
    extractor = _extractor(folder)
    tokenizer = _tokenizer(folder)
    network = _network(folder, dtype, safe=weights[0].suffix == ".safetensors")
    _check_features(folder, extractor, network)
    tokens = _tokens(folder, tokenizer, config, generation, int(network.config.vocab_size))
    network.generation_config = GenerationConfig(
        decoder_start_token_id=tokens.start,
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
        lang_to_id=dict(tokens.languages),
    )
    network.to(device)  # type: ignore[arg-type]  # its decorator hides the method's own signature from mypy
    return Checkpoint(
        name=name_of(model),
        revision=revision_of(weights),
        model=network,
        tokenizer=tokenizer,
        extractor=extractor,
        tokens=tokens,
        heads=_heads(folder, generation, network),
        window=int(extractor.n_samples),
        longest=int(network.config.max_target_positions),
    )


def _extractor(folder: Path) -> WhisperFeatureExtractor:
    nested = folder / "processor_config.json"
    if not (folder / "preprocessor_config.json").is_file() and not (
        nested.is_file() and "feature_extractor" in json_of(nested)
    ):
        raise CheckpointError(f"{folder / 'preprocessor_config.json'} is missing (it says which features to compute)")
    try:
        extractor: WhisperFeatureExtractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    except (OSError, TypeError, ValueError) as failure:
        raise CheckpointError(f"{folder / 'preprocessor_config.json'} cannot be used: {failure}") from failure
    return extractor


def _check_features(folder: Path, extractor: WhisperFeatureExtractor, network: WhisperForConditionalGeneration) -> None:
    computed = {
        "feature_size": (extractor.feature_size, network.config.num_mel_bins),
        "sampling_rate": (extractor.sampling_rate, RATE_HZ),
        "hop_length": (extractor.hop_length, HOP),
        "chunk_length": (extractor.nb_max_frames, 2 * network.config.max_source_positions),
    }
    for name, (found, expected) in computed.items():
        if found != expected:
            what = f"gives {found} frames" if name == "chunk_length" else f"is {found}"
            raise CheckpointError(f"{folder / 'preprocessor_config.json'}: {name} {what}; the model needs {expected}")


def _tokenizer(folder: Path) -> WhisperTokenizer:
    slow = [folder / "vocab.json", folder / "merges.txt"]
    if not (folder / "tokenizer.json").is_file() and not all(path.is_file() for path in slow):
        raise CheckpointError(f"{folder / 'tokenizer.json'} is missing, and so are vocab.json and merges.txt")
    try:
        tokenizer: WhisperTokenizer = WhisperTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as failure:  # the tokenizers library raises a bare Exception for a damaged file
        raise CheckpointError(f"{folder / 'tokenizer.json'}: the tokenizer cannot be read: {failure}") from failure
    tokenizer.clean_up_tokenization_spaces = False  # it makes "allô ?" one word, or a warning in newer transformers
    return tokenizer


def _network(folder: Path, dtype: torch.dtype, *, safe: bool) -> WhisperForConditionalGeneration:
    disable_progress_bar()  # a service's standard error is its log
    try:
        loaded: Any = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=safe, local_files_only=True, output_loading_info=True
        )
    except Exception as failure:  # safetensors, torch and transformers each raise their own for a damaged file
        raise CheckpointError(f"{folder}: the weights cannot be read: {failure}") from failure
    network: WhisperForConditionalGeneration = loaded[0].eval()
    missing = sorted(loaded[1]["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{folder}: the weights file lacks {len(missing)} of the model's weights, such as {missing[0]}"
        )
    return network


def _tokens(
    folder: Path, tokenizer: WhisperTokenizer, config: Mapping[str, Any], generation: Mapping[str, Any], size: int
) -> Tokens:
    path = folder / "tokenizer.json"
    ids: dict[str, int] = tokenizer.get_vocab()
    if max(ids.values(), default=0) >= size:
        raise CheckpointError(
            f"{path}: its ids reach {max(ids.values())}, but the model's vocab_size is {size}: "
            "they do not belong together"
        )

    def known(token: str) -> int:
        if token not in ids:
            raise CheckpointError(f"{path}: it has no {token}, so it is no tokenizer of Whisper's")
        return ids[token]

    end, start = known("<|endoftext|>"), known("<|startoftranscript|>")
    no_timestamps = known("<|notimestamps|>")
    said = {**config, **generation}
    for name, found in (
        ("eos_token_id", end),
        ("decoder_start_token_id", start),
        ("no_timestamps_token_id", no_timestamps),
    ):
        if said.get(name, found) != found:
            raise CheckpointError(
                f"{path}: {name} is {found} in it, but {said[name]} in the model's configuration: "
                "they do not belong together"
            )
    languages: dict[str, int] = {}
    if generation.get("is_multilingual", size >= _MULTILINGUAL_VOCABULARY):
        names = generation.get("lang_to_id") or [f"<|{code}|>" for code in LANGUAGES if f"<|{code}|>" in ids]
        languages = {_ISO.get(code := name.strip("<|>"), code): known(name) for name in names}
        if not languages:
            raise CheckpointError(f"{path}: it has no token for a language, but the model is multilingual")
    written = {*range(end), end} - set(said.get("suppress_tokens") or [])
    return Tokens(
        end=end,
        start=start,
        previous=known("<|startofprev|>"),
        transcribe=known("<|transcribe|>"),
        no_timestamps=no_timestamps,
        no_speech=ids.get("<|nospeech|>", ids.get("<|nocaptions|>", no_timestamps - 1)),
        languages=languages,
        never=tuple(sorted(set(range(size)) - written)),
        not_first=tuple(token for token in said.get("begin_suppress_tokens") or () if token < size),
    )


def _heads(
    folder: Path, generation: Mapping[str, Any], network: WhisperForConditionalGeneration
) -> tuple[tuple[int, int], ...]:
    """The heads for word times; where none are named all of the later half of layers, as OpenAI's `model.py` has it."""
    layers, each = int(network.config.decoder_layers), int(network.config.decoder_attention_heads)
    named = generation.get("alignment_heads") or [
        (layer, head) for layer in range(layers // 2, layers) for head in range(each)
    ]
    for layer, head in named:
        if not (0 <= layer < layers and 0 <= head < each):
            raise CheckpointError(
                f"{folder / 'generation_config.json'}: alignment_heads names head {head} of layer {layer}; "
                f"the model has {layers} layers of {each} heads"
            )
    return tuple((int(layer), int(head)) for layer, head in named)
