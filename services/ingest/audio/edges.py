"""Where exactly a burst begins and ends: to 2 ms, where the 20 ms cells of the spectrum tell it to 15.

Half a ring counts and less does not, so the length of a ring that is cut decides; and a ring of two or three
frequencies that swings in level is longer by its power than it is. The tone's own envelope is taken, of a band some
80 Hz to each side, and each edge is where it first and last stands out.
"""

import numpy as np
import numpy.typing as npt

#: The envelope has one value each millisecond, and is smoothed by a Hann window of 12 ms.
_SMOOTH = np.hanning(14)[1:-1]
#: Partials farther apart than this do not fit into the band.
_WIDEST_HZ = 70.0
#: Looked at are 60 ms before an edge and 120 ms after it; it lies within 30 ms of where the cells saw it.
_OUTSIDE_MS, _INSIDE_MS, _REACH_MS = 60, 120, 30
#: The tone's level is taken from 20 ms after its edge on, from the upper third, for it may swing.
_SETTLED_MS, _UPPER = 20, 0.7
#: It stands out where it has this part of its amplitude, less where it swings; or 2.5 times what is there without it.
_STANDS_OUT, _SWINGING_STANDS_OUT, _MOST_STANDS_OUT, _ABOVE_OUTSIDE = 0.4, 0.2, 0.5, 2.5


def edges_ms(
    samples: npt.NDArray[np.int16], start_ms: int, end_ms: int, partials_hz: tuple[float, ...], rate_hz: int
) -> tuple[int, int]:
    """Start and end of a burst, ms. The start of the recording stays the start of what it cuts.

    Args:
        samples: The channel.
        start_ms: Where the burst begins by its cells.
        end_ms: Where it ends by them.
        partials_hz: The frequencies that it has.
        rate_hz: Sampling rate.
    """
    if partials_hz[-1] - partials_hz[0] > _WIDEST_HZ:
        return start_ms, end_ms
    inside = min(_INSIDE_MS, (end_ms - start_ms) // 2)
    lowest = _SWINGING_STANDS_OUT if len(partials_hz) > 1 else _STANDS_OUT
    hertz = (partials_hz[0] + partials_hz[-1]) / 2
    start, end = start_ms, end_ms
    if start_ms >= _OUTSIDE_MS:
        rising = _envelope(samples, start_ms - _OUTSIDE_MS, start_ms + inside, hertz, rate_hz)
        start -= _beyond(rising, lowest)
    falling = _envelope(samples, end_ms - inside, end_ms + _OUTSIDE_MS, hertz, rate_hz)
    end += _beyond(np.pad(falling, (0, inside + _OUTSIDE_MS - len(falling)))[::-1], lowest)
    return start, min(end, len(samples) * 1000 // rate_hz)


def _envelope(
    samples: npt.NDArray[np.int16], first_ms: int, last_ms: int, hertz: float, rate_hz: int
) -> npt.NDArray[np.float64]:
    """By millisecond, how strong the tone is."""
    per_ms = rate_hz // 1000
    piece = samples[first_ms * per_ms : last_ms * per_ms]
    piece = piece[: len(piece) // per_ms * per_ms]
    turning = np.exp(-2j * np.pi * hertz / rate_hz * np.arange(len(piece)))
    return np.asarray(np.abs(np.convolve((piece * turning).reshape(-1, per_ms).sum(axis=1), _SMOOTH, "same")))


def _beyond(rising: npt.NDArray[np.float64], lowest: float) -> int:
    """How much earlier than `_OUTSIDE_MS` a rising tone stands out, ms; less than 0 where later."""
    settled = np.sort(rising[_OUTSIDE_MS + _SETTLED_MS :])
    if not len(settled):
        return 0
    level = settled[int(_UPPER * len(settled))]
    outside = float(np.median(rising[: _OUTSIDE_MS - _REACH_MS]))
    least = min(max(lowest * level, _ABOVE_OUTSIDE * outside), _MOST_STANDS_OUT * level)
    out = np.flatnonzero(rising[_OUTSIDE_MS - _REACH_MS : _OUTSIDE_MS + _REACH_MS] > least)
    return _REACH_MS - int(out[0]) if len(out) else 0
