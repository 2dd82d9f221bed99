"""The attention's softmax over content and relative positions, in C where there is a compiler: training's hot spot.

In PyTorch's own operations this part takes as long as all matrix products of a layer together.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: Whole numbers that the C functions take after their pointers.
_SIZES = 5


def relative_softmax(scores: Tensor, columns: Tensor, lengths: Tensor, left: int, right: int) -> Tensor:
    """Attention probabilities.

    Args:
        scores: queries by keys, [batch, heads, length, length], bfloat16; overwritten, as is the result's gradient.
        columns: what is added by distance: [batch, heads, length, left + 1 + right], bfloat16.
        lengths: keys that count in each segment, int64 [batch].
        left: keys farther back than this take the first column.
        right: keys farther ahead than this take the last one.
    """
    if _library() is None or scores.dtype != torch.bfloat16:
        return _in_torch(scores, columns, lengths, left, right)
    result: Tensor = _RelativeSoftmax.apply(scores, columns, lengths, left, right)  # type: ignore[no-untyped-call]
    return result


class _RelativeSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, columns: Tensor, lengths: Tensor, left: int, right: int) -> Tensor:
        probabilities = scores.contiguous()
        columns = columns.contiguous()
        sizes = _sizes(probabilities, left, right)
        _call("forward", (probabilities, columns, lengths), sizes)
        ctx.save_for_backward(probabilities, lengths)
        ctx.sizes, ctx.columns = sizes, columns.shape
        return probabilities

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        probabilities, lengths = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        by_columns = gradient.new_zeros(ctx.columns)
        _call("backward", (gradient, probabilities, by_columns, lengths), ctx.sizes)
        return gradient, by_columns, None, None, None


def _sizes(scores: Tensor, left: int, right: int) -> tuple[int, ...]:
    batch, heads, queries, keys = scores.shape
    return batch * heads * queries, heads * queries, keys, left, right


def _call(name: str, tensors: tuple[Tensor, ...], sizes: tuple[int, ...]) -> None:
    library = _library()
    assert library is not None  # noqa: S101 - only called where there is one
    function = getattr(library, name)
    function.argtypes = [ctypes.c_void_p] * len(tensors) + [ctypes.c_long] * _SIZES
    function(*(tensor.data_ptr() for tensor in tensors), *sizes)


def _in_torch(scores: Tensor, columns: Tensor, lengths: Tensor, left: int, right: int) -> Tensor:
    place = torch.arange(scores.shape[-1])
    distance = (place[None, :] - place[:, None]).clamp(-left, right) + left
    scores = scores + columns.gather(3, distance.expand(scores.shape))
    missing = place[None, :] >= lengths[:, None]
    return torch.softmax(scores.masked_fill(missing[:, None, None, :], -torch.inf), dim=-1)


@cache
def _library() -> ctypes.CDLL | None:
    """softmax.c, built for this machine; none where that fails."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    source = Path(__file__).with_suffix(".c")
    built = Path(tempfile.mkdtemp()) / "softmax.so"
    command = [
        compiler,
        "-O3",
        "-march=native",
        "-ffast-math",
        "-shared",
        "-fPIC",
        "-o",
        str(built),
        str(source),
        "-lm",
    ]
    return ctypes.CDLL(str(built)) if subprocess.run(command, check=False).returncode == 0 else None
