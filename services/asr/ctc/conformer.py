"""W2V-BERT's encoder over packed segments: the same weights and values as transformers' own, without its waste.

Segments lie one behind the other in one tensor of rows, each with `gap` empty rows before it, so that the causal
convolution sees zeros there as it does at the beginning of a segment alone. No row is padding for a longer neighbour,
every product is one matrix product over all rows, and attention runs over each segment's own rows (`attention.py`).

What the reference does to a masked position is done here to every row that holds none (`Rows.empty`): an odd last mel
frame makes a position that is masked, yet decoded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC
from transformers.activations import ACT2FN

from services.asr.ctc.attention import Attend
from services.asr.ctc.logmel import Stack

Activation = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Rows:
    """Where packed segments lie.

    Attributes:
        first: Each segment's first row.
        positions: How many rows (model positions) each segment has.
        keys: How many of them may be attended to: one less where an odd last frame is masked.
        count: Rows in all, gaps and the bucket's rest included.
    """

    first: tuple[int, ...]
    positions: tuple[int, ...]
    keys: tuple[int, ...]
    count: int

    @classmethod
    def of(cls, frames: Sequence[int], gap: int, buckets: Sequence[int] = (), stack: Stack | None = None) -> Rows:
        """The layout for segments of so many mel frames, in the smallest bucket that has rows enough.

        Above the largest one the rows are a multiple of it; without buckets they are as many as are needed.
        """
        stack = stack or Stack()
        positions, keys = tuple(map(stack.positions, frames)), tuple(map(stack.kept, frames))
        first, row = [], 0
        for count in positions:
            first.append(row + gap)
            row += gap + count
        room = next((bucket for bucket in buckets if bucket >= row), 0)
        if buckets and not room:
            room = -(-row // buckets[-1]) * buckets[-1]
        return cls(tuple(first), positions, keys, room or row)

    def own(self) -> Tensor:
        """The rows that are decoded, segment after segment: int64 [positions of all]."""
        pieces = [torch.arange(first, first + count) for first, count in zip(self.first, self.positions, strict=True)]
        return torch.cat(pieces)

    def segments(self) -> Tensor:
        """Which segment each row is of, -1 for none: int32 [count]."""
        return self._marked(self.positions)

    def attended(self) -> Tensor:
        """Which segment may attend to each row, -1 for none: int32 [count]."""
        return self._marked(self.keys)

    def _marked(self, counts: Sequence[int]) -> Tensor:
        marks = torch.full((self.count,), -1, dtype=torch.int32)
        for index, (first, count) in enumerate(zip(self.first, counts, strict=True)):
            marks[first : first + count] = index
        return marks


def packable(config: Wav2Vec2BertConfig) -> bool:
    """Whether this encoder serves the configuration; transformers' own serves the others."""
    return config.position_embeddings_type == "relative_key" and not config.add_adapter


class PackedConformer(nn.Module):
    """`Wav2Vec2BertForCTC` over packed rows, for inference.

    Args:
        model: What the weights are taken from; it is not changed.
    """

    def __init__(self, model: Wav2Vec2BertForCTC) -> None:
        super().__init__()
        config, inner = model.config, model.wav2vec2_bert
        self.gap = config.conv_depthwise_kernel_size - 1
        projection = inner.feature_projection
        self.feature_norm = copy.deepcopy(projection.layer_norm)
        self.projection = Dense(projection.projection.weight, projection.projection.bias)
        self.layers = nn.ModuleList(_Layer(layer, config) for layer in inner.encoder.layers)
        self.head = Dense(model.lm_head.weight, model.lm_head.bias)

    def forward(self, features: Tensor, empty: Tensor, attend: Attend) -> Tensor:
        """Logits [rows, tokens] of features [rows, stride * 80]; `empty` [rows, 1] marks rows without position."""
        hidden = self.projection(self.feature_norm(features)).masked_fill_(empty, 0.0)
        for layer in self.layers:
            hidden = layer(hidden, empty, attend)
        logits: Tensor = self.head(hidden)
        return logits


class Dense(nn.Module):
    """A linear layer; in float32 on a CPU by oneDNN, whose products are twice as fast as MKL's on AMD processors."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight: nn.Parameter | None = nn.Parameter(weight.detach(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self._blocked: Tensor | None = None

    def forward(self, rows: Tensor) -> Tensor:
        """[rows, in] to [rows, out]."""
        if self._blocked is not None:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self._blocked, self.bias, "none", [], "")
            return product
        assert self.weight is not None  # noqa: S101 - it is given up for the blocked form only
        return functional.linear(rows, self.weight, self.bias)

    def block(self) -> None:
        """Puts the weights into oneDNN's order, for good; to be called once, in float32 on a CPU."""
        if _ONEDNN and self.weight is not None:
            self._blocked = torch.ops.mkldnn._reorder_linear_weight(self.weight, None)
            self.weight = None


#: torch's own compiler calls these operators; where a build has none, its usual product remains.
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _FeedForward(nn.Module):
    """Half of it is what a Conformer's residual takes; a power of two in the weights changes no bit of a product."""

    def __init__(self, source: Any, activation: Activation) -> None:
        super().__init__()
        inner, outer = source.intermediate_dense, source.output_dense
        self.inner = Dense(inner.weight, inner.bias)
        self.outer = Dense(outer.weight * 0.5, outer.bias * 0.5)
        self._activation = activation

    def forward(self, hidden: Tensor) -> Tensor:
        result: Tensor = self.outer(self._activation(self.inner(hidden)))
        return result


class _Layer(nn.Module):
    def __init__(self, source: Any, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        activation = _in_place(config.hidden_act)
        self.before = copy.deepcopy(source.ffn1_layer_norm)
        self.ffn1 = _FeedForward(source.ffn1, activation)
        self.attention_norm = copy.deepcopy(source.self_attn_layer_norm)
        self.attention = _Attention(source.self_attn)
        self.convolution = _Convolution(source.conv_module, activation)
        self.between = copy.deepcopy(source.ffn2_layer_norm)
        self.ffn2 = _FeedForward(source.ffn2, activation)
        self.after = copy.deepcopy(source.final_layer_norm)

    def forward(self, hidden: Tensor, empty: Tensor, attend: Attend) -> Tensor:
        hidden = self.ffn1(self.before(hidden)).add_(hidden)
        hidden = self.attention(self.attention_norm(hidden), attend).add_(hidden)
        hidden = self.convolution(hidden, empty).add_(hidden)
        hidden = self.ffn2(self.between(hidden)).add_(hidden)
        normal: Tensor = self.after(hidden)
        return normal


class _Attention(nn.Module):
    """Queries, keys and values in one product; the scale of the scores is in the queries."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        parts = (source.linear_q, source.linear_k, source.linear_v)
        scales = (source.scaling, 1.0, 1.0)
        self.together = Dense(
            torch.cat([part.weight * scale for part, scale in zip(parts, scales, strict=True)]),
            torch.cat([part.bias * scale for part, scale in zip(parts, scales, strict=True)]),
        )
        self.out = Dense(source.linear_out.weight, source.linear_out.bias)
        self.distances = nn.Parameter(source.distance_embedding.weight.detach().T.contiguous(), requires_grad=False)
        self._heads = source.num_heads

    def forward(self, hidden: Tensor, attend: Attend) -> Tensor:
        rows, width = hidden.shape
        # [3, heads, rows, width of a head]
        query, key, value = self.together(hidden).view(rows, 3, self._heads, -1).permute(1, 2, 0, 3)
        heard = attend(query, key, value, self.distances)
        result: Tensor = self.out(heard.reshape(rows, width))
        return result


class _Convolution(nn.Module):
    def __init__(self, source: Any, activation: Activation) -> None:
        super().__init__()
        self.before = copy.deepcopy(source.layer_norm)
        self.wide = Dense(source.pointwise_conv1.weight[..., 0], None)
        # As a two-dimensional kernel, so that rows with their channels side by side need not be transposed.
        depthwise = source.depthwise_conv.weight[:, :, None]
        self.depthwise = nn.Parameter(depthwise.detach().contiguous(), requires_grad=False)
        self.between = copy.deepcopy(source.depthwise_layer_norm)
        self.narrow = Dense(source.pointwise_conv2.weight[..., 0], None)
        self._activation = activation

    def forward(self, hidden: Tensor, empty: Tensor) -> Tensor:
        # The first product has no bias: empty rows stay zero through it and the gate.
        gated = functional.glu(self.wide(self.before(hidden).masked_fill_(empty, 0.0)), dim=-1)
        channels = gated.shape[-1]
        gap = self.depthwise.shape[-1] - 1
        image = functional.pad(gated, (0, 0, gap, 0)).T[None, :, None]  # [1, channels, 1, gap + rows], channels last
        mixed = functional.conv2d(image, self.depthwise, groups=channels)[0, :, 0].T
        result: Tensor = self.narrow(self._activation(self.between(mixed)))
        return result


def _in_place(name: str) -> Activation:
    """An activation that may overwrite what it is given: most of a CPU's time beside products goes into memory."""
    if name in ("swish", "silu"):
        return lambda rows: functional.silu(rows, inplace=True)
    activation: Activation = ACT2FN[name]
    return activation
