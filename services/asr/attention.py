"""W2V-BERT's relative positions without its largest tensor: the same values, some three times faster on a CPU.

The reference looks a vector up for every pair of positions, [length, length, head], and multiplies the queries with
that; yet there are only 73 distances (64 back, 8 ahead, and the same place). Here the queries meet the 73 vectors, and
a view spreads the scores over the pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert

#: The reference's function that `install` replaces. It is not part of transformers' interface: where a version has
#: none of that name, the reference's own way remains.
_REPLACED = "_apply_relative_key_position_encoding"


def install() -> None:
    """Makes every W2V-BERT model of this process use `relative_key`."""
    if hasattr(modeling_wav2vec2_bert, _REPLACED):
        setattr(modeling_wav2vec2_bert, _REPLACED, relative_key)


def relative_key(module: Any, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """The query as it is, and its scaled scores by distance: [batch, heads, length, length]."""
    left, right, length = module.left_max_position_embeddings, module.right_max_position_embeddings, key.shape[2]
    scores = query @ module.distance_embedding.weight.T.to(query.dtype) * module.scaling
    if length == 1:
        return query, scores[..., left : left + 1]
    below, above = min(left, length - 1), min(right, length - 1)
    scores = scores[..., left - below : left + above + 1]
    farther_back = scores[..., :1].expand(*scores.shape[:-1], length - 1 - below)
    farther_ahead = scores[..., -1:].expand(*scores.shape[:-1], length - 1 - above)
    # Row l now holds distances -(length - 1) .. length - 1. In a flat view whose rows are one value shorter, each row
    # begins one distance earlier, which is where its keys are.
    flat = torch.cat((farther_back, scores, farther_ahead), dim=-1).flatten(-2)
    rows = flat[..., length - 1 : length - 1 + length * (2 * length - 2)]
    return query, rows.view(*rows.shape[:-1], length, 2 * length - 2)[..., :length]
