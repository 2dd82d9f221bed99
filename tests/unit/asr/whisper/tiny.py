"""Tiny random Whisper checkpoints in the Hugging Face layout, which hear two seconds at once and write bytes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import pre_tokenizers
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

from services.asr.engine import EngineOptions, Segment
from services.asr.whisper.engine import WhisperEngine, load

RATE_HZ = 16_000
WINDOW_S = 2
LONGEST = 48
LANGUAGES = ("en", "fr", "ar", "zh", "jw")
MERGES = (
    "Ġ t",
    "Ġ a",
    "Ġ o",
    "Ġt h",
    "Ġo u",
    "Ġou i",
    "e r",
    "i n",
    "Ġ Ã",
    "Ã ©",
    *(f"Ġ {letter}" for letter in "bcdlmps"),
)
LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
#: What the model may write: of the bytes these and é, which is two.
WRITTEN = {*"abcdefghijklmnopqrstuvwxyz'-Ġ", "Ã", "©", *(merge.replace(" ", "") for merge in MERGES)}
#: The text tokens, then the others, in the order of OpenAI's multilingual models.
TEXT = [*LETTERS, *(merge.replace(" ", "") for merge in MERGES)]
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]
TIMES = [f"<|{0.02 * step:.2f}|>" for step in range(WINDOW_S * 50 + 1)]
IDS = {token: index for index, token in enumerate([*TEXT, *SPECIAL, *TIMES])}


def checkpoint(
    folder: Path, *, wish: dict[str, float] | None = None, sure: float = 3.0, english: bool = False, **config: Any
) -> Path:
    """Writes a checkpoint.

    Args:
        folder: Where to.
        wish: Tokens that the model shall write more, and by how much (in logits) wherever it is.
        sure: Length of each token's embedding: the longer, the surer the model is of what it writes.
        english: A model for English only.
        config: Of `WhisperConfig`, above or beside what is tiny.
    """
    torch.manual_seed(5)
    settings: dict[str, Any] = {
        "vocab_size": len(IDS),
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_source_positions": WINDOW_S * 50,
        "max_target_positions": LONGEST,
        "decoder_start_token_id": IDS["<|startoftranscript|>"],
        "bos_token_id": IDS["<|endoftext|>"],
        "eos_token_id": IDS["<|endoftext|>"],
        "pad_token_id": IDS["<|endoftext|>"],
    }
    model = WhisperForConditionalGeneration(WhisperConfig(**(settings | config)))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:  # so that what is written hangs on what is heard, and is not only what came before
                weight.mul_(
                    60
                    if "q_proj" in name and "encoder_attn" in name
                    else 30
                    if "conv" in name or "encoder_attn" in name
                    else 10
                )
        embedded = model.model.decoder.embed_tokens.weight
        embedded.copy_(torch.nn.functional.normalize(torch.randn_like(embedded), dim=1) * sure)
        for token, logits in ({"Ġ": 3.0, "<|endoftext|>": 2.5} | (wish or {})).items():
            # The last layer norm's bias is added to every position before it is compared with every token's embedding.
            model.model.decoder.layer_norm.bias.add_(logits / sure**2 * embedded[IDS[token]])
    generation: dict[str, Any] = {
        "alignment_heads": [[1, 0], [1, 1]],
        "is_multilingual": not english,
        "no_timestamps_token_id": IDS["<|notimestamps|>"],
        "suppress_tokens": [*(IDS[token] for token in TEXT if token not in WRITTEN), IDS["<|nospeech|>"]],
        "begin_suppress_tokens": [IDS["Ġ"], IDS["<|endoftext|>"]],
        "decoder_start_token_id": IDS["<|startoftranscript|>"],
        "eos_token_id": IDS["<|endoftext|>"],
        "pad_token_id": IDS["<|endoftext|>"],
        "max_length": LONGEST,
    }
    if not english:
        generation["lang_to_id"] = {f"<|{code}|>": IDS[f"<|{code}|>"] for code in LANGUAGES}
        generation["task_to_id"] = {task: IDS[f"<|{task}|>"] for task in ("translate", "transcribe")}
    model.generation_config = GenerationConfig(**generation)
    model.save_pretrained(folder)
    tokenizer = WhisperTokenizer(
        vocab={token: IDS[token] for token in TEXT}, merges=[tuple(merge.split()) for merge in MERGES]
    )
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[1:]})
    tokenizer.add_tokens(TIMES)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80, chunk_length=WINDOW_S).save_pretrained(folder)
    return folder


def engine(folder: Path, **options: Any) -> WhisperEngine:
    """The engine of a checkpoint on the CPU, on one thread: more only wait for each other over so small a model."""
    loaded = load(EngineOptions(model=str(folder), device="cpu", **options))
    torch.set_num_threads(1)
    return loaded


def change(path: Path, **values: Any) -> None:
    """Sets values in a JSON file; None takes one away."""
    content = json.loads(path.read_text("utf-8")) | values
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}), "utf-8")


def noise(seconds: float, seed: int = 3) -> NDArray[np.float32]:
    """Noise whose loudness changes twenty times a second."""
    rng = np.random.default_rng(seed)
    length = round(seconds * RATE_HZ)
    loudness = np.repeat(rng.uniform(0.001, 0.3, length // 800 + 1), 800)[:length]
    return np.asarray(rng.standard_normal(length) * loudness, np.float32)


def segments(*seconds: float) -> Sequence[Segment]:
    """Segments of noise, each of its own."""
    return [Segment(noise(length, seed), RATE_HZ) for seed, length in enumerate(seconds)]
