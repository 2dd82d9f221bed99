"""Attention with W2V-BERT's relative positions over packed segments, without a tensor of length by length.

The reference looks a vector up for every pair of positions, [length, length, head], and multiplies the queries with
that; yet there are only 73 distances (64 back, 8 ahead, and the same place). Here the queries meet the 73 vectors once,
and the scores by distance are spread over the pairs: in blocks of rows on a CPU (`in_blocks`), inside the attention
kernel on a GPU (`in_kernel`, by torch's FlexAttention).

Shapes: queries (already scaled), keys, values [heads, rows, width]; distances [width, 73]; result [rows, heads, width].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from services.asr.devices import on

#: Queries, keys, values, distances: see above.
Attend = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

#: Rows of queries at once on a CPU: their scores stay in the cache (measured: 64 to 128 are best at 100 to 1,250 rows).
BLOCK_ROWS: Final = 128
#: The block of FlexAttention's masks, its own default.
KERNEL_ROWS: Final = 128


def in_blocks(first: Sequence[int], positions: Sequence[int], keys: Sequence[int], left: int, right: int) -> Attend:
    """Attention of each segment over its own keys, block by block.

    Args:
        first: Each segment's first row.
        positions: How many rows it has.
        keys: How many of them may be attended to.
        left: The farthest distance back that has a vector of its own.
        right: The farthest ahead.
    """

    def attend(query: Tensor, key: Tensor, value: Tensor, distances: Tensor) -> Tensor:
        heard = query.new_zeros(query.shape[1], query.shape[0], query.shape[2])
        for begin, count, known in zip(first, positions, keys, strict=True):
            theirs = slice(begin, begin + known)
            their_keys, their_values = key[:, theirs].transpose(1, 2), value[:, theirs]
            for row in range(0, count, BLOCK_ROWS):
                rows = slice(begin + row, begin + min(row + BLOCK_ROWS, count))
                by_distance = spread(query[:, rows] @ distances, row, known, left, right)
                scores = torch.baddbmm(by_distance, query[:, rows], their_keys)
                heard[rows] = (scores.softmax(dim=-1) @ their_values).transpose(0, 1)
        return heard

    return attend


def spread(scores: Tensor, row: int, keys: int, left: int, right: int) -> Tensor:
    """Scores by distance [heads, rows, left + 1 + right] as a view by key [heads, rows, keys].

    `row` is the position of the first row. What lies `left` or farther back shares the first score; so ahead.
    """
    heads, rows, _ = scores.shape
    # All distances that occur: from the last row's first key to the first row's last key.
    farthest_back, farthest_ahead = row + rows - 1, keys - 1 - row
    nearest, last = max(-farthest_back, -left), max(min(farthest_ahead, right), -left)
    each = torch.cat(
        (
            scores[..., :1].expand(heads, rows, max(0, farthest_back - left)),
            scores[..., left + min(nearest, last) : left + last + 1],
            scores[..., -1:].expand(heads, rows, max(0, farthest_ahead - right)),
        ),
        dim=2,
    )
    # In a view whose rows are one value shorter each row begins one distance earlier, which is where its keys are.
    width = each.shape[2]
    return each.as_strided((heads, rows, keys), (rows * width, width - 1, 1), rows - 1)


def in_kernel(blocks: BlockMask, left: int, right: int, kernel: Callable[..., Any] = flex_attention) -> Attend:
    """Attention of every row over the keys of its own segment, in one kernel.

    Args:
        blocks: What each block of rows has to meet (`kernel_blocks`).
        left: The farthest distance back that has a vector of its own.
        right: The farthest ahead.
        kernel: `flex_attention`, or what compiles it.
    """

    def attend(query: Tensor, key: Tensor, value: Tensor, distances: Tensor) -> Tensor:
        scores = query @ distances  # [heads, rows, 73]

        def by_distance(score: Tensor, _batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
            return score + scores[head, row, (column - row).clamp(-left, right) + left]

        heard: Tensor = kernel(query[None], key[None], value[None], score_mod=by_distance, block_mask=blocks, scale=1.0)
        return heard[0].transpose(0, 1)

    return attend


def kernel_blocks(segments: Tensor, attended: Tensor, device: torch.device) -> BlockMask:
    """Which blocks of keys each block of rows has to meet, and which of the pairs in them count.

    Args:
        segments: Which segment each row is of, -1 for none: int32 [rows], rows a multiple of `KERNEL_ROWS`.
        attended: Which segment may attend to each row, -1 for none: int32 [rows].
        device: Where the kernel runs.
    """
    blocks = len(segments) // KERNEL_ROWS
    by_row, by_key = segments.view(blocks, -1).numpy(), attended.view(blocks, -1).numpy()
    # A segment's rows are side by side: a block holds all segments from its least to its greatest.
    lows = np.where(by_row < 0, np.iinfo(np.int32).max, by_row).min(axis=1)
    highs = by_row.max(axis=1)
    key_lows = np.where(by_key < 0, np.iinfo(np.int32).max, by_key).min(axis=1)
    meets = (key_lows[None, :] <= highs[:, None]) & (by_key.max(axis=1)[None, :] >= lows[:, None])
    counts = on(device, torch.from_numpy(meets.sum(axis=1).astype(np.int32)))
    # The blocks to meet come first, in their order; what stands behind them is not read.
    indices = on(device, torch.from_numpy(np.argsort(~meets, axis=1, kind="stable").astype(np.int32)))
    of_row, of_key = on(device, segments), on(device, attended)

    def counts_as(_batch: Tensor, _head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return (of_row[row] == of_key[column]) & (of_key[column] >= 0)

    mask: BlockMask = BlockMask.from_kv_blocks(
        counts[None, None], indices[None, None], BLOCK_SIZE=KERNEL_ROWS, mask_mod=counts_as
    )
    return mask
