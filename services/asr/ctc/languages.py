"""Models of many languages, such as MMS: one network, and for each language an adapter and a head of its own.

The checkpoint holds one language; `adapter.LANGUAGE.safetensors` beside it holds what another one replaces, and
vocab.json has a vocabulary for each. RINGTRUE_ASR__LANGUAGE says which one it is (`ary` is Darija).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.asr import checkpoints
from services.asr.engine import CheckpointError, EngineError

_LISTED = 20


def adapter_of(folder: Path, language: str) -> Path:
    """The weights of a language.

    Raises:
        EngineError: The vocabulary does not know the language.
        CheckpointError: The weights are missing.
    """
    vocabularies = checkpoints.json_of(folder / "vocab.json")
    known = sorted(name for name, words in vocabularies.items() if isinstance(words, dict))
    if language not in known:
        listed = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")
        raise EngineError(
            f"RINGTRUE_ASR__LANGUAGE is {language!r}, which {folder / 'vocab.json'} does not know; it knows {listed}"
        )
    adapter = folder / checkpoints.ADAPTER.format(language)
    if not adapter.is_file():
        raise CheckpointError(f"{adapter} is missing: the weights of the language {language!r}")
    return adapter


def speak(model: Any, folder: Path, language: str) -> None:
    """Puts a language's adapter and head in place; the model is changed.

    Raises:
        CheckpointError: The weights are not this model's.
    """
    model.config._name_or_path = str(folder)  # where transformers looks for the file
    try:
        model.load_adapter(language, use_safetensors=True, local_files_only=True)
    except Exception as failure:  # safetensors, torch and transformers each raise their own for a damaged file
        adapter = folder / checkpoints.ADAPTER.format(language)
        raise CheckpointError(f"{adapter}: the weights cannot be used: {failure}") from failure
