"""A Hugging Face checkpoint in a folder: its tokenizer and its network, or an error that names the file.

Nothing is downloaded, no code of the checkpoint is run, and weights are read from safetensors only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from ringtrue.errors import Misconfigured
from services.classifier.models.wire import PREFIX

#: What answers hang on, beside the weights.
_READ: Final = ("config.json", "generation_config.json", "tokenizer.json", "chat_template.jinja", "*.safetensors")

#: Models whose first position is the one behind the padding token's number.
_COUNTED_FROM_PADDING: Final = frozenset({"camembert", "roberta", "xlm-roberta"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model.

    Attributes:
        name: The folder's name and its revision.
        longest: Tokens that the network has positions for; None where it does not say.
    """

    name: str
    tokenizer: Any
    network: Any
    device: torch.device
    longest: int | None


def kinds_of(model: str) -> tuple[str, ...]:
    """The architectures that a folder's model was made for, such as `BertForSequenceClassification`.

    Raises:
        Misconfigured: There is no such folder, or no model in it.
    """
    return tuple(_config(_folder(model)).get("architectures") or ())


def open_checkpoint(model: str, kind: Any, device: str) -> Checkpoint:
    """Loads a checkpoint, ready for inference.

    Args:
        model: Its folder.
        kind: The class of transformers that loads it, such as `AutoModelForCausalLM`.
        device: `auto` (a GPU when there is one), `cpu` or `cuda:N`.

    Raises:
        Misconfigured: It is missing, incomplete or of another kind, or there is no such device.
    """
    folder = _folder(model)
    config = _config(folder)
    place = _device(device)
    disable_progress_bar()  # a service's standard error is its log
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as failure:  # the tokenizers library raises a bare Exception for a damaged file
        raise Misconfigured(f"{folder}: the tokenizer cannot be read: {failure}") from failure
    try:
        network, report = kind.from_pretrained(
            folder,
            dtype=torch.float32 if place.type == "cpu" else "auto",
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as failure:  # safetensors, torch and transformers each raise their own
        raise Misconfigured(f"{folder}: the model cannot be loaded: {failure}") from failure
    if missing := sorted(report["missing_keys"]):
        raise Misconfigured(f"{folder}: the weights lack {len(missing)} of the model's, such as {missing[0]}")
    if len(tokenizer) > (size := int(network.get_input_embeddings().num_embeddings)):
        raise Misconfigured(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model {size}: not of one another"
        )
    return Checkpoint(
        name=f"{folder.resolve().name}@{_revision(folder)}",
        tokenizer=tokenizer,
        network=network.eval().to(place),
        device=place,
        longest=_longest(config, tokenizer),
    )


def _longest(config: dict[str, Any], tokenizer: Any) -> int | None:
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if positions is None:
        return None
    if str(config.get("model_type")) in _COUNTED_FROM_PADDING:
        positions -= int(config.get("pad_token_id") or 0) + 1
    return min(int(positions), int(tokenizer.model_max_length))


def _folder(model: str) -> Path:
    folder = Path(model)
    if not model or not folder.is_dir():
        raise Misconfigured(f"{PREFIX}MODEL={model!r}: a local model is a folder in the Hugging Face layout")
    return folder


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as failure:
        raise Misconfigured(f"{path} cannot be read: {failure}") from failure
    if not isinstance(config, dict):
        raise Misconfigured(f"{path} does not hold a JSON object")
    return config


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise Misconfigured(f"{PREFIX}DEVICE={name}: this machine has {torch.cuda.device_count()} GPUs for torch")
    return device


def _revision(folder: Path) -> str:
    """A hash of twelve digits that changes when answers may."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _READ for path in folder.glob(pattern)):
        with path.open("rb") as content:
            digest.update(path.name.encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:12]
