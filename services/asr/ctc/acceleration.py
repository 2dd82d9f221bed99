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

#: The smallest bucket; each further one has twice the rows, up to a full batch. torch gives up compiling after eight.
LEAST_ROWS: Final = 2_048
assert LEAST_ROWS % KERNEL_ROWS == 0  # noqa: S101 - the kernel's blocks must fill a bucket
_compiler: Callable[..., Callable[..., Tensor]] = torch.compile


def accelerate(network: PackedNetwork, most: int, try_it: Callable[[int], None]) -> str:
    """Puts the network at the highest level that works here, and names it.

    Args:
        network: What shall run faster; already on its device.
        most: Positions of a full batch.
        try_it: Runs the network over silence that fills so many rows, their gaps included.
    """
    levels: dict[str, Callable[[], None]] = {
        "graphs": lambda: _compile(network, most, "reduce-overhead"),
        "compiled": lambda: _compile(network, most, "default"),
        "plain": lambda: _plain(network),
    }
    for level, raise_to in levels.items():
        torch._dynamo.reset()  # what a level has compiled counts against the next one's limit
        try:
            raise_to()
            # The first time compiles, the second records the graph, the third replays it.
            for _ in range(3 if network.buckets else 1):
                for rows in network.buckets or (most,):
                    try_it(rows)
        except torch.OutOfMemoryError:
            raise
        except Exception as failure:  # a compiler fails in ways of its own on each driver
            if level == "plain":
                raise
            reason = str(failure).strip()[:500]
            _log.warning("acceleration failed, falling back", tried=level, reason=reason)
            continue
        _log.info("acceleration", used=level, buckets=network.buckets)
        return level
    raise AssertionError("the last level either works or raises")


def _compile(network: PackedNetwork, most: int, mode: str) -> None:
    # Beyond its limit torch would go on without compiling, and store what the kernel was to avoid.
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    compiled = _compiler(network.encoder, mode=mode, dynamic=False)

    def encode(*arguments: Any) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()  # what the last batch's graph gave has been copied by now
        logits: Tensor = compiled(*arguments)
        return logits

    network.encode = encode
    network.kernel = flex_attention  # compiled with the encoder that calls it
    network.buckets = buckets(most)


def buckets(most: int) -> tuple[int, ...]:
    """Numbers of rows: doubling, up to a full batch, which has room for a segment of 25 s at least."""
    full = max(LEAST_ROWS, -(-most // KERNEL_ROWS) * KERNEL_ROWS)
    rising, rows = list[int](), LEAST_ROWS
    while rows < full:
        rising.append(rows)
        rows *= 2
    return (*rising, full)


def _plain(network: PackedNetwork) -> None:
    network.encode = network.encoder
    network.kernel = None
    network.buckets = ()
