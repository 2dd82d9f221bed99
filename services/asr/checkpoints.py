"""Checkpoints in the Hugging Face layout: found, read and named, or refused by the name of the file that is wrong."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from services.asr.engine import CheckpointError

_FILES = ("*.json", "*.txt", "*.safetensors")
_PICKLES = "pytorch_model*.bin"


def folder_of(model: str, *, allow_pickle: bool = False) -> Path:
    """The folder of a model: as it is named, or fetched from the hub when the name is one of those (`owner/name`).

    Raises:
        CheckpointError: There is no such folder, and the hub did not give it.
    """
    if not model:
        raise CheckpointError(
            "the engine needs a model (RINGTRUE_ASR__MODEL): a checkpoint's folder, or a model's name on the hub"
        )
    if Path(model).is_dir():
        return Path(model)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise CheckpointError(f"{model}: no such folder")
    from huggingface_hub import snapshot_download

    try:
        patterns = [*_FILES, _PICKLES] if allow_pickle else [*_FILES]
        return Path(snapshot_download(model, allow_patterns=patterns))
    except (OSError, ValueError) as failure:
        raise CheckpointError(
            f"{model}: no such folder, and the hub did not give a model of that name ({failure})"
        ) from failure


def name_of(model: str) -> str:
    """How results call a model: a folder's name, or the name on the hub."""
    return Path(model).resolve().name if Path(model).is_dir() else model


def json_of(path: Path) -> dict[str, Any]:
    """A file that holds a JSON object.

    Raises:
        CheckpointError: It is missing, or holds something else.
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


def weights_of(folder: Path, *, allow_pickle: bool = False) -> list[Path]:
    """The files of a checkpoint's weights: safetensors; pickles only when they are allowed and there is nothing else.

    Raises:
        CheckpointError: There are none that may be read, or a shard that the index names is missing.
    """
    index = folder / "model.safetensors.index.json"
    if index.exists():
        shards = sorted({str(name) for name in json_of(index).get("weight_map", {}).values()})
        missing = [name for name in shards if not (folder / name).is_file()]
        if missing or not shards:
            raise CheckpointError(f"{index}: {f'{folder / missing[0]} is missing' if missing else 'names no file'}")
        return [folder / name for name in shards]
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    pickles = sorted(folder.glob(_PICKLES))
    if not pickles:
        raise CheckpointError(f"{folder / 'model.safetensors'} is missing: no weights")
    if not allow_pickle:
        raise CheckpointError(
            f"{pickles[0]}: weights in a pickle file, which can run any code when it is read; expected "
            f"{folder / 'model.safetensors'}. Convert it, or set RINGTRUE_ASR__ALLOW_PICKLE=true for a source you trust"
        )
    return pickles


def revision_of(weights: list[Path]) -> str:
    """A short hash that changes when the weights do."""
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]
