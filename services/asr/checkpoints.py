"""Checkpoints in the Hugging Face layout: where one lies, what its files hold, and which weights are its own.

Shared by the engines that load one. Every error names the file that is at fault and says what is expected of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from services.asr.engine import CheckpointError

SAFE: Final = "model.safetensors"
PICKLE: Final = "pytorch_model.bin"
#: What a language adds to a model of many (MMS).
ADAPTER: Final = "adapter.{}.safetensors"
#: What a download brings: one set of weights, none of its variants (`model.fp32-00001-of-00002.safetensors`).
_FILES: Final = ("*.json", "*.txt", "*.model", SAFE, "model-*-of-*.safetensors")
_PICKLES: Final = (PICKLE, "pytorch_model-*-of-*.bin")


def folder_of(model: str, *, allow_pickle: bool = False, language: str = "") -> Path:
    """The folder of a checkpoint: `model` itself, or where the hub's model of that name (`owner/name`) was loaded to.

    Args:
        model: A folder, or a model's name on the hub.
        allow_pickle: Whether pickled weights are downloaded, too.
        language: Whose adapter is downloaded, where the model has adapters.

    Raises:
        CheckpointError: There is no such folder, and no such model on the hub either.
    """
    if not model:
        raise CheckpointError(
            "RINGTRUE_ASR__MODEL is not set: this engine needs a checkpoint's folder, or a model's name on the hub"
        )
    if Path(model).is_dir():
        return Path(model)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise CheckpointError(f"{model}: no such folder")
    from huggingface_hub import snapshot_download

    files = [*_FILES, *(_PICKLES if allow_pickle else ()), *([ADAPTER.format(language)] if language else ())]
    try:
        return Path(snapshot_download(model, allow_patterns=files))
    except (OSError, ValueError) as failure:
        raise CheckpointError(
            f"{model}: no such folder, and the hub did not give a model of that name ({failure})"
        ) from failure


def name_of(model: str) -> str:
    """How results call a model: a folder by its own name, one from the hub by its name there."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def revision_of(weights: Sequence[Path]) -> str:
    """A hash of twelve digits that changes when the weights do."""
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]


def json_of(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: The file is missing, or holds anything else.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing") from None
    except (OSError, ValueError) as failure:
        raise CheckpointError(f"{path} is not valid JSON: {failure}") from failure
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return content


def weights_of(folder: Path, allow_pickle: bool = False) -> list[Path]:
    """The files of the weights that transformers would load, the parts of a divided checkpoint by name.

    Args:
        folder: The checkpoint.
        allow_pickle: Whether `pytorch_model.bin` may be read where there are no safetensors.

    Raises:
        CheckpointError: There are none, or only pickles, or a part that the index names is missing.
    """
    for whole in (SAFE, PICKLE) if allow_pickle else (SAFE,):
        if (folder / whole).is_file():
            return [folder / whole]
        index = folder / f"{whole}.index.json"
        if index.is_file():
            return _parts(index)
    if any(folder.glob("pytorch_model*.bin")) and not allow_pickle:
        raise CheckpointError(
            f"{folder / SAFE} is missing; {PICKLE} beside it is a pickle, which can run any code: convert it to "
            "safetensors, or let it be read with RINGTRUE_ASR__ALLOW_PICKLE=true"
        )
    raise CheckpointError(f"{folder / SAFE} is missing (weights are read from safetensors)")


def _parts(index: Path) -> list[Path]:
    named = json_of(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise CheckpointError(f"{index} names no weights: it needs a weight_map of names and files")
    parts = [index.parent / name for name in sorted(set(named.values()))]
    for part in parts:
        if not part.is_file():
            raise CheckpointError(f"{part} is missing, one of {len(parts)} parts that {index.name} names")
    return parts
