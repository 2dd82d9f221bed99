"""What a recording is known by again, also after another encoding: makes what `ringtrue.fingerprint` compares.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): long windows that overlap, bands
of equal width on a logarithmic scale, and for each pair of neighbours one bit, the sign of how the difference of their
energies changes in time. Adapted to telephone calls: the bands divide 300 to 3,400 Hz; a window is 0.4 s, one each
50 ms; energies are in dB, so that soft consonants have a say beside loud vowels; the change is that within 200 ms. And
a bit says beside its sign whether the change is clear: of a tone that stands still the sign is chance.

Frames are told apart by their level below the loudest ones, so that the recording's level says nothing. What is in the
first two minutes is enough.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from ringtrue.fingerprint import BITS, EARLY_FRAMES, FRAME_MS, MOST_MS, Fingerprint
from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, FULL_SCALE

_Powers = npt.NDArray[np.float32]

#: Spectra of 50 ms, one each 25 ms; 16 of them under a Hann window make a frame of 0.4 s.
_CELL, _SPECTRUM = ANALYSIS_RATE_HZ * FRAME_MS // 2_000, ANALYSIS_RATE_HZ * FRAME_MS // 1_000
_CELLS_A_FRAME, _FRAME_CELLS = 2, 16
_WINDOW = np.hanning(_SPECTRUM + 1)[:-1].astype(np.float32)
_FRAME_WINDOW = np.hanning(_FRAME_CELLS + 2)[1:-1].astype(np.float32)
_FRAME_WINDOW /= _FRAME_WINDOW.sum()
#: So many fit a processor's cache; more at once take three times as long.
_CELLS_AT_ONCE = 256
#: A band's energy is a telephone's, from 300 to 3,400 Hz.
_EDGES_HZ = 300.0 * (3_400 / 300) ** (np.arange(BITS + 2) / (BITS + 1))
_BACK_FRAMES = 4
#: A change of 3 dB is clear: codecs turn hardly one in a hundred of those round, and mostly none.
_CLEAR_DB = 3.0
#: Levels are relative to the loudest half second, but that a knock may be louder still.
_LOUDEST_FRAMES = 10
#: What sounds lies at most 12 dB below that, and 4 dB above the noise, which the quietest tenth does not exceed (see
#: `levels`); in a recording without pauses that tenth is sound, and then the highest limit holds. What lies below
#: -18 dB is not heard. In between it is neither, so that neither a soft word nor noise decides about a match.
_SOUNDING_DB, _ABOVE_NOISE_DB, _HIGHEST_DB = -12.0, 4.0, -5.0
_HEARD_DB = -18.0
_QUIET_QUANTILE = 0.1
#: This much of a band's energy counts for nothing, so that noise and codecs make no clear changes: 6 dB above the
#: noise, within these limits.
_FLOOR_ABOVE_NOISE_DB, _FLOORS_DB = 6.0, (-45.0, -24.0)
#: Keeps silence from having no logarithm.
_NOTHING = 1e-12
#: Digital silence, as in `levels`, dBFS.
_SILENCE_DBFS = -84.0


def _bands() -> _Powers:
    """Which share of each of a spectrum's lines belongs to each band."""
    width = ANALYSIS_RATE_HZ / _SPECTRUM
    lines = np.arange(_SPECTRUM // 2 + 1)[:, None] * width
    inside = np.minimum(lines + width / 2, _EDGES_HZ[1:]) - np.maximum(lines - width / 2, _EDGES_HZ[:-1])
    # Both halves of the spectrum, by Parseval: powers are those of 16-bit samples.
    scale = 2 / (_SPECTRUM * float(np.sum(_WINDOW**2)))
    return np.asarray(np.clip(inside / width, 0, 1) * scale, np.float32)


_BANDS = _bands()


def fingerprint(channels: Sequence[Samples], duration_ms: int) -> bytes | None:
    """The fingerprint of a recording, None when nothing sounds.

    Of two channels it is their mix: what becomes of both when the recording is made mono, whichever was left.

    Args:
        channels: At the analysis rate, equally long; a copy of another may be left out.
        duration_ms: The recording's length.
    """
    bands = _band_powers(_mixed(channels))
    powers = bands.sum(axis=1)
    loudest = float(np.sort(powers)[-_LOUDEST_FRAMES:][0])
    if loudest < FULL_SCALE * 10 ** (_SILENCE_DBFS / 10):
        return None
    bands, powers = bands / loudest, powers / loudest
    noise_db = float(_decibels(np.quantile(powers[EARLY_FRAMES:-EARLY_FRAMES], _QUIET_QUANTILE)))
    floor_db = np.clip(noise_db - float(_decibels(BITS + 1)) + _FLOOR_ABOVE_NOISE_DB, *_FLOORS_DB)
    balance = np.diff(_decibels(bands + np.float32(10 ** (floor_db / 10))), axis=1)
    # Before the first frame there is silence, in which all bands are equal.
    change = balance - np.pad(balance, ((_BACK_FRAMES, 0), (0, 0)))[: len(balance)]
    clear = np.abs(change) > _CLEAR_DB
    sounding_db = max(_SOUNDING_DB, min(noise_db + _ABOVE_NOISE_DB, _HIGHEST_DB))
    return bytes(
        Fingerprint.of(
            duration_ms,
            _packed(powers > 10 ** (_HEARD_DB / 10)),
            _packed(powers > 10 ** (sounding_db / 10)),
            [_packed(plane) for plane in clear.T],
            [_packed(plane) for plane in (clear & (change > 0)).T],
        )
    )


def _mixed(channels: Sequence[Samples]) -> _Powers:
    longest = MOST_MS * ANALYSIS_RATE_HZ // 1_000
    return np.asarray(np.mean([channel[:longest] for channel in channels], axis=0, dtype=np.float32))


def _band_powers(samples: _Powers) -> _Powers:
    """The mean power in each band in each frame, from the first to the last that the sound reaches into."""
    early = EARLY_FRAMES * _CELLS_A_FRAME
    cells = early + -(-len(samples) // _CELL) + early
    padded = np.pad(samples, (early * _CELL + _SPECTRUM // 2, (early + 1) * _CELL + _SPECTRUM // 2))
    spectra = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM)[::_CELL]
    powers = np.empty((cells, BITS + 1), np.float32)
    for first in range(0, cells, _CELLS_AT_ONCE):
        lines = fft.rfft(spectra[first : min(first + _CELLS_AT_ONCE, cells)] * _WINDOW, axis=1)
        powers[first : first + len(lines)] = (lines.real**2 + lines.imag**2) @ _BANDS
    return np.asarray(ndimage.convolve1d(powers, _FRAME_WINDOW, axis=0, mode="constant")[::_CELLS_A_FRAME])


def _packed(frames: npt.NDArray[np.bool_]) -> bytes:
    return np.packbits(frames, bitorder="little").tobytes()


def _decibels(powers: npt.ArrayLike) -> npt.NDArray[np.floating]:
    return 10 * np.log10(np.maximum(powers, _NOTHING))
