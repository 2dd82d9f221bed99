"""Models as the engine sees them: waves in, logits of every segment's own positions out, whatever shares the batch.

`PackedNetwork` runs W2V-BERT on our own encoder (`conformer.py`). `PaddedNetwork` runs transformers' own modules over
padded batches: wav2vec 2.0, HuBERT, the wav2vec 2.0 conformer, and W2V-BERT with an adapter or other position
embeddings. In those, padding reaches a segment by three ways that the reference leaves open, and each is closed here:
statistics of a group norm, batch norm before a convolution, and convolutions across a segment's end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2BertForCTC

from services.asr.audio import RATE_HZ
from services.asr.ctc import logmel
from services.asr.ctc.attention import in_blocks, in_kernel, kernel_blocks
from services.asr.ctc.conformer import Dense, PackedConformer, Rows
from services.asr.devices import on
from services.asr.metrics import POSITIONS

Wave = NDArray[np.float32]
#: What `hear` makes of a wave.
Heard = Tensor


class Network(Protocol):
    """A CTC model on a device.

    Attributes:
        position_ms: Milliseconds for each position of the output.
        alike: Only segments of one length may share a batch.
    """

    position_ms: float
    alike: bool

    def size(self, samples: int) -> int:
        """What so many samples at 16 kHz take in a batch, in positions; 0: too short to be heard."""

    def hear(self, wave: Wave) -> Heard:
        """The model's input for a wave that is long enough."""

    def logits(self, heard: Sequence[Heard]) -> tuple[Tensor, list[int]]:
        """Logits [positions of all, tokens] in float32, segment after segment, and how many each has."""


class PackedNetwork:
    """W2V-BERT over packed rows.

    Args:
        model: The loaded checkpoint; it is not changed.
        stack: How features make positions.
        device: Where to run.
        dtype: The arithmetic's precision.

    Attributes:
        encode: What runs the encoder; `acceleration.py` puts a compiled one here.
        kernel: What runs attention in one kernel, where there is such a thing.
        buckets: Numbers of rows, rising, that batches are filled up to: each is compiled and recorded for itself.
    """

    alike = False

    def __init__(
        self, model: Wav2Vec2BertForCTC, stack: logmel.Stack, device: torch.device, dtype: torch.dtype
    ) -> None:
        config = model.config
        self.stack = stack
        self.position_ms = stack.position_ms
        self._device = device
        self._dtype = dtype
        self._reach = (config.left_max_position_embeddings, config.right_max_position_embeddings)
        self.encoder = PackedConformer(model).to(device, dtype)
        if device.type == "cpu" and dtype is torch.float32:
            for part in self.encoder.modules():
                if isinstance(part, Dense):
                    part.block()
        self.encode: Callable[..., Tensor] = self.encoder
        self.kernel: Callable[..., Any] | None = None
        self.buckets: tuple[int, ...] = ()

    def size(self, samples: int) -> int:
        """See `Network`. The gap before the segment counts."""
        positions = self.stack.positions(logmel.frames(samples))
        return positions and positions + self.encoder.gap

    def hear(self, wave: Wave) -> Heard:
        """Features [frames, 80]."""
        return logmel.log_mel(on(self._device, wave), self._device)

    def logits(self, heard: Sequence[Heard]) -> tuple[Tensor, list[int]]:
        """See `Network`."""
        rows = Rows.of([features.shape[0] for features in heard], self.encoder.gap, self.buckets, self.stack)
        packed = torch.zeros(rows.count, logmel.MELS * self.stack.stride, dtype=self._dtype, device=self._device)
        for features, first, count in zip(heard, rows.first, rows.positions, strict=True):
            packed[first : first + count] = self.stack.stacked(features)
        attended = rows.attended()
        if self.kernel is None:
            attend = in_blocks(rows.first, rows.positions, rows.keys, *self._reach)
        else:
            attend = in_kernel(kernel_blocks(rows.segments(), attended, self._device), *self._reach, self.kernel)
        empty = on(self._device, (attended < 0)[:, None])
        POSITIONS.labels("audio").inc(sum(rows.positions))
        POSITIONS.labels("padding").inc(rows.count - sum(rows.positions))
        logits = self.encode(packed, empty, attend)
        return logits.index_select(0, on(self._device, rows.own())).float(), list(rows.positions)


class PaddedNetwork:
    """transformers' own module over padded batches.

    Args:
        model: The loaded checkpoint, which is changed and belongs to this network from now on.
        hear: The model's input for a wave on the CPU: samples [n], or features [frames, 80].
        device: Where to run.
        dtype: The arithmetic's precision.
        stack: How features make positions; its padding is what shorter inputs are filled up with.
    """

    def __init__(
        self, model: Any, hear: Callable[[Wave], Tensor], device: torch.device, dtype: torch.dtype, stack: logmel.Stack
    ) -> None:
        config = model.config
        self._hear = hear
        self._stack = stack
        self._device = device
        self._dtype = dtype
        self._model = model.to(device, dtype)
        self._kernels = list(zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True))
        self._of_samples = bool(self._kernels)
        # An adapter's convolution looks across the end of a segment, so its neighbours must end where it does.
        self.alike = bool(getattr(config, "add_adapter", False))
        after = config.adapter_stride**config.num_adapter_layers if self.alike else 1
        stride_ms = prod(stride for _, stride in self._kernels) * 1000 / RATE_HZ
        self.position_ms = (stride_ms if self._of_samples else stack.position_ms) * after
        self._lengths = _Lengths()
        _keep_padding_out(self._model, self._lengths)

    def size(self, samples: int) -> int:
        """See `Network`."""
        if not self._of_samples:
            return self._stack.positions(logmel.frames(samples))
        for kernel, stride in self._kernels:
            samples = (samples - kernel) // stride + 1 if samples >= kernel else 0
        return samples

    def hear(self, wave: Wave) -> Heard:
        """See `Network`."""
        return on(self._device, self._hear(wave))

    def logits(self, heard: Sequence[Heard]) -> tuple[Tensor, list[int]]:
        """See `Network`."""
        if self._of_samples:
            inputs, known = list(heard), [one.shape[0] for one in heard]
            positions = [self.size(count) for count in known]
        else:
            # As in the reference the mask is that of a position's second frame: an odd last one is masked, yet decoded.
            inputs = [self._stack.stacked(one) for one in heard]
            known = [self._stack.kept(one.shape[0]) for one in heard]
            positions = [one.shape[0] for one in inputs]
        longest = max(one.shape[0] for one in inputs)
        padded = inputs[0].new_full((len(inputs), longest, *inputs[0].shape[1:]), self._stack.padding)
        mask = torch.zeros(len(inputs), longest, dtype=torch.int64)
        for row, (one, count) in enumerate(zip(inputs, known, strict=True)):
            padded[row, : one.shape[0]] = one
            mask[row, :count] = 1
        self._lengths.samples = on(self._device, torch.tensor(known))
        self._lengths.positions = on(self._device, torch.tensor(positions))
        name = "input_values" if self._of_samples else "input_features"
        logits = self._model(**{name: padded.to(self._dtype)}, attention_mask=on(self._device, mask)).logits
        if self.alike:
            positions = [logits.shape[1]] * len(heard)
        POSITIONS.labels("audio").inc(sum(positions))
        POSITIONS.labels("padding").inc(logits.shape[0] * logits.shape[1] - sum(positions))
        return torch.cat([row[:count] for row, count in zip(logits, positions, strict=True)]).float(), positions


class _Lengths(threading.local):
    """Of the batch that this thread runs now: samples and positions of each segment, int64 [segments]."""

    samples: Tensor
    positions: Tensor


def _keep_padding_out(model: Any, lengths: _Lengths) -> None:
    """Changes the modules that mix positions so that padding reaches no segment, and no thread another one."""
    encoder = model.base_model.encoder
    if getattr(encoder, "embed_positions", None) is not None:
        encoder.embed_positions = _OneAtATime(encoder.embed_positions)
    if not hasattr(model.base_model, "feature_extractor"):
        return
    first = model.base_model.feature_extractor.conv_layers[0]
    if isinstance(first.layer_norm, nn.GroupNorm):
        first.layer_norm = _GroupNorm(first.layer_norm, first.conv, lengths)

    def without_padding(_module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden = arguments[0]  # [segments, channels, positions]
        padding = torch.arange(hidden.shape[-1], device=hidden.device) >= lengths.positions[:, None]
        return (hidden.masked_fill(padding[:, None], 0.0), *arguments[1:])

    encoder.pos_conv_embed.conv.register_forward_pre_hook(without_padding)
    for layer in encoder.layers:
        if hasattr(layer, "conv_module"):
            layer.conv_module.depthwise_conv.register_forward_pre_hook(without_padding)


class _OneAtATime(nn.Module):
    """Position embeddings, which transformers keeps for the next batch in the module itself."""

    def __init__(self, embeddings: nn.Module) -> None:
        super().__init__()
        self.embeddings = embeddings
        self._lock = threading.Lock()

    def forward(self, hidden: Tensor) -> Tensor:
        with self._lock:
            embeddings: Tensor = self.embeddings(hidden)
            return embeddings


class _GroupNorm(nn.Module):
    """wav2vec 2.0's group norm (a group for each channel) over a segment's own frames only, in float32."""

    def __init__(self, norm: nn.GroupNorm, conv: nn.Conv1d, lengths: _Lengths) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self._floor = norm.eps
        self._frame, self._hop = conv.kernel_size[0], conv.stride[0]
        self._lengths = lengths

    def forward(self, hidden: Tensor) -> Tensor:
        frames = (self._lengths.samples - self._frame) // self._hop + 1
        own = (torch.arange(hidden.shape[-1], device=hidden.device) < frames[:, None])[:, None]
        exact = hidden.float()
        mean = exact.masked_fill(~own, 0.0).sum(dim=-1, keepdim=True) / frames[:, None, None]
        exact = exact - mean
        variance = exact.masked_fill(~own, 0.0).square().sum(dim=-1, keepdim=True) / frames[:, None, None]
        normal = exact * (variance + self._floor).rsqrt() * self.weight[:, None] + self.bias[:, None]
        return normal.to(hidden.dtype)
