"""What a GPU can do beyond plain torch, level by level: each is tried on silence, and where it fails the next one is.

1. *graphs*: the encoder compiled, attention in one kernel (FlexAttention), every launch of a bucket recorded as a CUDA
   graph;
2. *compiled*: the same without graphs;
3. *plain*: torch's own operators, attention in blocks of rows. A CPU runs at this level.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import structlog
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from services.asr.ctc.attention import KERNEL_ROWS
from services.asr.ctc.networks import PackedNetwork

_log = structlog.get_logger()

#: Rows are rounded up to so many: 20 buckets up to the largest batch, 5 % of a full one.
BUCKET_ROWS: Final = 2_048
assert BUCKET_ROWS % KERNEL_ROWS == 0  # noqa: S101 - the kernel's blocks must fill a bucket
#: Segments that a level is tried on: one of 25 s and one of 1 s, so that two buckets' shapes are met.
_TRIAL_SAMPLES: Final = (400_000, 16_000)
_compiler: Callable[..., Callable[..., Tensor]] = torch.compile


def accelerate(network: PackedNetwork, try_it: Callable[[int], None]) -> str:
    """Puts the network at the highest level that works here, and names it.

    Args:
        network: What shall run faster; already on its device.
        try_it: Runs the network over so many samples of silence.
    """
    levels: dict[str, Callable[[], None]] = {
        "graphs": lambda: _compile(network, "reduce-overhead"),
        "compiled": lambda: _compile(network, "default"),
        "plain": lambda: _plain(network),
    }
    for level, raise_to in levels.items():
        try:
            raise_to()
            for samples in _TRIAL_SAMPLES:
                try_it(samples)
        except torch.OutOfMemoryError:
            raise
        except Exception as failure:  # a compiler fails in ways of its own on each driver
            if level == "plain":
                raise
            _log.warning("acceleration failed, falling back", level=level, reason=str(failure).strip()[:500])
            continue
        _log.info("acceleration", level=level)
        return level
    raise AssertionError("the last level either works or raises")


def _compile(network: PackedNetwork, mode: str) -> None:
    compiled = _compiler(network.encoder, mode=mode, dynamic=False)

    def encode(*arguments: Any) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()  # what the last batch's graph gave has been copied by now
        logits: Tensor = compiled(*arguments)
        return logits

    network.encode = encode
    network.kernel = flex_attention  # compiled with the encoder that calls it
    network.bucket = BUCKET_ROWS


def _plain(network: PackedNetwork) -> None:
    network.encode = network.encoder
    network.kernel = None
    network.bucket = 1
