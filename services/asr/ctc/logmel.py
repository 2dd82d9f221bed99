"""The ear of W2V-BERT models: log-mel features as `SeamlessM4TFeatureExtractor` computes them.

`log_mel` makes the features of one segment, a `Stack` puts frames side by side, as the model wants them. The reference
loops over frames in Python; here frames are taken 256 at a time (a chunk that stays in the cache), in float64 with the
spectrum rounded to complex64 as the reference does, so that features agree within float32 rounding. Upsampled telephony
needs this: above 4 kHz there is only leakage, which the normalisation by mel band amplifies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from services.asr.audio import RATE_HZ

FRAME: Final = 400  # samples: 25 ms
HOP: Final = 160  # samples: 10 ms
FFT: Final = 512
MELS: Final = 80
#: The reference fills up to an even number of frames before it puts them side by side.
_EVEN: Final = 2
#: Two mel frames are the least that the normalisation (ddof = 1) can serve; the reference answers NaN below this.
LEAST_SAMPLES: Final = FRAME + HOP

_PREEMPHASIS: Final = 0.97
_MEL_FLOOR: Final = 1.192092955078125e-07
_VARIANCE_FLOOR: Final = 1e-7
#: Frames per step: 256 x 512 float64 is 1 MB. Larger temporaries page-fault on a CPU and are slower than a plain loop.
_CHUNK: Final = {"cpu": 256}
_CHUNK_ACCELERATOR: Final = 16_384
#: Bands whose filters are applied in one product: they reach some tens of the 257 bins, not all of them.
_BANDS_TOGETHER: Final = 20


def log_mel(samples: NDArray[np.float32] | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Normalised features of one 16 kHz segment: float32 [frames, 80], frames = 1 + (samples - 400) // 160.

    Raises:
        ValueError: Fewer than `LEAST_SAMPLES` samples, for which the features are not defined.
    """
    return normalised(energies(samples, device))


def energies(samples: NDArray[np.float32] | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """The features before their normalisation: natural logarithms of the power in each mel band, float32 [frames, 80].

    Raises:
        ValueError: Fewer than `LEAST_SAMPLES` samples.
    """
    wave = torch.as_tensor(samples, dtype=torch.float32).to(device, non_blocking=True)
    if wave.ndim != 1 or wave.shape[0] < LEAST_SAMPLES:
        raise ValueError(f"needs mono audio of at least {LEAST_SAMPLES} samples, not shape {tuple(wave.shape)}")
    window, mels = _tables(wave.device)
    frames = (wave * 2.0**15).unfold(0, FRAME, HOP)
    features = torch.empty(frames.shape[0], MELS, dtype=torch.float32, device=wave.device)
    chunk = _CHUNK.get(wave.device.type, _CHUNK_ACCELERATOR)
    for start in range(0, frames.shape[0], chunk):
        block = frames[start : start + chunk].to(torch.float64)
        block = block - block.mean(dim=1, keepdim=True)
        emphasised = torch.empty_like(block)
        torch.sub(block[:, 1:], block[:, :-1], alpha=_PREEMPHASIS, out=emphasised[:, 1:])
        torch.mul(block[:, :1], 1 - _PREEMPHASIS, out=emphasised[:, :1])
        spectrum = torch.fft.rfft(emphasised * window, FFT).to(torch.complex64).to(torch.complex128)
        power = spectrum.real.square() + spectrum.imag.square()
        bands = torch.cat([power[:, bins] @ weights for bins, weights in mels], dim=1)
        features[start : start + chunk] = bands.clamp_min(_MEL_FLOOR).log().to(torch.float32)
    return features


def normalised(features: Tensor) -> Tensor:
    """Zero mean and unit variance (ddof = 1) of each band over the segment, at least two frames [frames, 80]."""
    # Statistics in float64: of digital silence a float32 mean leaves a residue that 1/sqrt(1e-7) makes audible.
    exact = features.to(torch.float64)
    exact -= exact.mean(dim=0)
    variance = exact.square().sum(dim=0) / (len(exact) - 1)
    return (exact / (variance + _VARIANCE_FLOOR).sqrt()).to(torch.float32)


def frames(samples: int) -> int:
    """How many mel frames so many 16 kHz samples have; none below `LEAST_SAMPLES`."""
    return 0 if samples < LEAST_SAMPLES else 1 + (samples - FRAME) // HOP


@dataclass(frozen=True, slots=True)
class Stack:
    """How frames are put side by side: `stride` of them make one position of the model.

    The reference fills up to an even number of frames and then drops what makes no whole position. A position is masked
    where its second frame is padding; it is decoded nevertheless.

    Attributes:
        stride: `stride` of preprocessor_config.json: 2 for every public checkpoint, which makes 20 ms of a position.
        padding: What an odd last frame stands beside (`padding_value`).
    """

    stride: int = 2
    padding: float = 0.0

    @property
    def position_ms(self) -> float:
        """Milliseconds for each position."""
        return self.stride * HOP * 1000 / RATE_HZ

    def positions(self, frames: int) -> int:
        """How many positions so many frames make."""
        return (frames + frames % _EVEN) // self.stride

    def kept(self, frames: int) -> int:
        """How many of them the mask keeps: those whose second frame is there."""
        return min(self.positions(frames), max(0, frames - 2) // self.stride + 1)

    def stacked(self, features: Tensor) -> Tensor:
        """Features [frames, 80] as the model's input [positions, stride * 80]."""
        even = functional.pad(features, (0, 0, 0, features.shape[0] % _EVEN), value=self.padding)
        whole = self.positions(features.shape[0]) * self.stride
        return even[:whole].reshape(-1, MELS * self.stride)


#: Filters of some neighbouring bands, and the bins of the spectrum that they reach: the others weigh nothing.
_Bands = tuple[slice, Tensor]


def _tables(device: torch.device) -> tuple[Tensor, list[_Bands]]:
    if device not in _tables_by_device:
        filters = _mel_filters()
        bands = list[_Bands]()
        for first in range(0, MELS, _BANDS_TOGETHER):
            some = filters[:, first : first + _BANDS_TOGETHER]
            reached = np.flatnonzero(some.any(axis=1))
            bins = slice(int(reached[0]), int(reached[-1]) + 1)
            bands.append((bins, torch.from_numpy(some[bins].copy()).to(device)))
        _tables_by_device[device] = (torch.from_numpy(np.power(np.hanning(FRAME), 0.85)).to(device), bands)
    return _tables_by_device[device]


_tables_by_device: dict[torch.device, tuple[Tensor, list[_Bands]]] = {}


def _mel_filters() -> NDArray[np.float64]:
    """Kaldi's triangles, in mel space, 20-8000 Hz: [257, 80]."""

    def mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log(1.0 + hertz / 700.0))

    low, high = mel(np.array([20.0, RATE_HZ / 2])).tolist()
    edges = np.linspace(low, high, MELS + 2)
    bins = mel(np.linspace(0.0, RATE_HZ / 2, FFT // 2 + 1))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))
