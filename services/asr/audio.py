"""Audio as every model here wants it: mono, 16 kHz, by one resampler that training and inference share."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from services.asr.engine import Segment, SegmentError

RATE_HZ: Final = 16_000


def resample(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Mono audio at 16 kHz, by scipy's polyphase filter in float64."""
    if rate_hz <= 0:
        raise ValueError(f"sampling rate must be positive, not {rate_hz}")
    if rate_hz == RATE_HZ or len(samples) == 0:
        return np.asarray(samples, np.float32)
    shared = gcd(RATE_HZ, rate_hz)
    filtered = resample_poly(np.asarray(samples, np.float64), RATE_HZ // shared, rate_hz // shared)
    return np.asarray(filtered, np.float32)


def wave_of(index: int, segment: Segment) -> NDArray[np.float32]:
    """A segment's samples at 16 kHz.

    Raises:
        SegmentError: They are not mono, or not finite, or have no rate.
    """
    if segment.samples.ndim != 1 or not np.isfinite(segment.samples).all():
        raise SegmentError(f"segment {index}: samples must be mono and finite (shape {segment.samples.shape})")
    if segment.rate_hz <= 0:
        raise SegmentError(f"segment {index}: the sampling rate must be positive, not {segment.rate_hz}")
    return resample(segment.samples, segment.rate_hz)
