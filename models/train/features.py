"""What training does to features: faster or slower, a longer or shorter throat, noise, masks, all before or after they
are normalised as the engine does it. Each time that a segment is heard it sounds different.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.asr.audio import RATE_HZ
from services.asr.ctc import logmel

#: Four frames make a position of 40 ms: half the positions of the public checkpoints, so that training hears twice as
#: much in its time, and enough for runs of letters at the pace of speech.
STACK = logmel.Stack(4)

#: How often each is done, and how far it goes.
TEMPO = (0.5, 0.87, 1.15)
THROAT = (0.5, 0.92, 1.08)
NOISE_SHARE = 0.55
SNR_DB = (3.0, 35.0, 9.0)
#: A segment's loudness is that of its frames no more than so many dB below its 95th percentile.
_SPEECH_DB = 25.0
_PREEMPHASIS = 0.97


def powers(energies: NDArray[np.float32]) -> NDArray[np.float32]:
    """The power of each frame, [frames], of energies [frames, 80]: the front end's pre-emphasis taken back."""
    return np.asarray(np.exp(energies) @ _weights(), np.float32)


def _weights() -> NDArray[np.float32]:
    """Of each mel band, what undoes the pre-emphasis at its centre. The triangles add up to one at each frequency."""
    low, high = (1127 * np.log1p(hertz / 700) for hertz in (20.0, RATE_HZ / 2))
    centres = 700 * np.expm1(np.linspace(low, high, logmel.MELS + 2)[1:-1] / 1127)
    gains = np.abs(1 - _PREEMPHASIS * np.exp(-2j * np.pi * centres / RATE_HZ)) ** 2
    return np.asarray(1 / gains, np.float32)


class Variety:
    """Changes what is heard, by chance.

    Args:
        noises: Where `corpus.noises` put its clips.
        rng: The chance.
    """

    def __init__(self, noises: Path, rng: random.Random) -> None:
        self.rng = rng
        with np.load(noises) as stored:
            energies, rates = stored["energies"], stored["rates"]
        self._clips = {int(rate): torch.from_numpy(energies[rates == rate]) for rate in np.unique(rates)}
        self._weights = torch.from_numpy(_weights())

    def heard(self, energies: Tensor, rate_hz: int) -> Tensor:
        """Normalised features [frames, 80] of energies; the tempo may change the number of frames."""
        energies = self._warped(energies, 0, TEMPO)
        energies = self._warped(energies, 1, THROAT)
        if self.rng.random() < NOISE_SHARE:
            energies = self._noisy(energies, rate_hz)
        features = logmel.normalised(energies)
        _mask(features, self.rng)
        return features

    def _warped(self, energies: Tensor, along: int, how: tuple[float, float, float]) -> Tensor:
        """Stretched or squeezed along the frames, or along the bands."""
        share, least, most = how
        if self.rng.random() >= share:
            return energies
        factor, length = self.rng.uniform(least, most), energies.shape[along]
        count = length if along else max(2, round(length * factor))
        place = (torch.arange(count) / factor).clamp(max=length - 1)
        below = place.long()
        above = (below + 1).clamp(max=length - 1)
        part = (place - below).unsqueeze(1 - along)
        lower, upper = energies.index_select(along, below), energies.index_select(along, above)
        return lower + part * (upper - lower)

    def _noisy(self, energies: Tensor, rate_hz: int) -> Tensor:
        clips = self._clips[rate_hz]
        noise = clips[self.rng.randrange(len(clips))]
        start = self.rng.randrange(len(noise))
        noise = noise[torch.arange(start, start + len(energies)) % len(noise)].float()
        power = energies.exp() @ self._weights
        loud = power[power > torch.quantile(power, 0.95) * 10 ** (-_SPEECH_DB / 10)]
        level = float(loud.mean()) / 10 ** (self.rng.triangular(*SNR_DB) / 10)
        return torch.logaddexp(energies, noise + float(np.log(max(level, 1e-9))))


def _mask(features: Tensor, rng: random.Random) -> None:
    """SpecAugment in place on [frames, 80]: at most two mel bands and a few short spans are set to the mean."""
    for _ in range(rng.randint(0, 2)):
        low, width = rng.randrange(logmel.MELS), rng.randint(1, 12)
        features[:, low : low + width] = 0
    for _ in range(int(len(features) / 120 * rng.uniform(0, 1.0))):
        begin = rng.randrange(len(features))
        features[begin : begin + rng.randint(2, 12)] = 0
