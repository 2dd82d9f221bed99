"""The usual script, as a baseline: energy around 425 Hz against half of its maximum, bursts at least a second apart."""

import numpy as np

from services.ingest.audio.resample import Samples

_BAND_HZ = (390.0, 470.0)
_FRAME_MS = 50
_THRESHOLD = 0.5
_LEAST_APART_MS = 1000


def count_rings(samples: Samples, rate_hz: int) -> int:
    """How many rings the script finds in one channel."""
    frame = rate_hz * _FRAME_MS // 1000
    count = len(samples) // frame
    if not count:
        return 0
    spectrum = np.fft.rfft(samples[: count * frame].reshape(count, frame).astype(np.float64), axis=1)
    hertz = np.fft.rfftfreq(frame, 1 / rate_hz)
    inside = (_BAND_HZ[0] <= hertz) & (hertz <= _BAND_HZ[1])
    envelope = np.sqrt((np.abs(spectrum[:, inside]) ** 2).sum(axis=1))
    above = envelope > _THRESHOLD * envelope.max()
    edges = np.flatnonzero(np.diff(above, prepend=False, append=False))
    rings, last_end = 0, -_LEAST_APART_MS
    for start, end in zip(edges[::2] * _FRAME_MS, edges[1::2] * _FRAME_MS, strict=True):
        rings += start - last_end >= _LEAST_APART_MS
        last_end = end
    return int(rings)
