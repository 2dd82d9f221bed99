"""Telephone tones and line signals, made from nothing but sines and noise: float64 at 8 kHz, levels as peak dBFS."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

Sound = npt.NDArray[np.float64]
Random = np.random.Generator

RATE_HZ = 8_000
#: How fast an exchange's tone comes and goes.
_RAMP_MS = 4
#: ITU-T E.180: the special information tone's three frequencies, 330 ms each.
_SIT_HZ, _SIT_MS = (950, 1400, 1800), 330
#: ITU-T Q.23.
_DTMF_HZ = ((697, 770, 852, 941), (1209, 1336, 1477, 1633))
#: ITU-T T.30: the calling fax's tone, the answering one's, and V.21's two frequencies and rate.
_CNG, _CED_HZ, _V21_HZ, _V21_BAUD = (1100, 500, 3000), 2100, (1650, 1850), 300


def samples(ms: float) -> int:
    """How many samples last so long."""
    return round(ms * RATE_HZ / 1000)


def gain(dbfs: float) -> float:
    """The amplitude of a level."""
    return float(10 ** (dbfs / 20))


def silence(ms: float) -> Sound:
    """Digital silence."""
    return np.zeros(samples(ms))


def tone(frequencies_hz: Sequence[float], ms: float, level_dbfs: float, modulated_hz: float = 0.0) -> Sound:
    """Sines together whose sum peaks at `level_dbfs`; `modulated_hz` lets it swing, as in Japan."""
    times = np.arange(samples(ms)) / RATE_HZ
    sound = sum((np.sin(2 * np.pi * hertz * times) for hertz in frequencies_hz), start=np.zeros(len(times)))
    if modulated_hz:
        sound *= (1 + 0.85 * np.cos(2 * np.pi * modulated_hz * times)) / 1.85
    ramp = min(samples(_RAMP_MS), len(times) // 2)
    if ramp:
        sound[:ramp] *= np.linspace(0, 1, ramp)
        sound[-ramp:] *= np.linspace(1, 0, ramp)
    return np.asarray(sound * gain(level_dbfs) / len(frequencies_hz))


def cadenced(
    frequencies_hz: Sequence[float],
    cadence_ms: Sequence[float],
    cycles: int,
    level_dbfs: float,
    every_second_db: float = 0.0,
) -> Sound:
    """A tone that comes and goes: sound and pause in turn, `cycles` times, every second cycle at another level."""
    cycle = np.concatenate(
        [silence(ms) if place % 2 else tone(frequencies_hz, ms, level_dbfs) for place, ms in enumerate(cadence_ms)]
    )
    return np.concatenate([cycle * (gain(every_second_db) if number % 2 else 1.0) for number in range(cycles)])


def special_information(cycles: int, level_dbfs: float) -> Sound:
    """The three rising tones before "the number you have dialled"."""
    once = [tone([hertz], _SIT_MS, level_dbfs) for hertz in _SIT_HZ]
    return np.concatenate([*once, silence(1000)] * cycles)


def dtmf(keys: int, level_dbfs: float, random: Random) -> Sound:
    """Keys pressed one after the other."""
    pressed = []
    for _ in range(keys):
        pair = [float(random.choice(group)) for group in _DTMF_HZ]
        pressed += [tone(pair, random.uniform(70, 250), level_dbfs), silence(random.uniform(60, 400))]
    return np.concatenate(pressed)


def fax_calling(cycles: int, level_dbfs: float) -> Sound:
    """A fax machine that calls."""
    hertz, sound_ms, pause_ms = _CNG
    return cadenced([hertz], (sound_ms, pause_ms), cycles, level_dbfs)


def fax_answering(level_dbfs: float, random: Random) -> Sound:
    """A fax machine that answers: its answer tone, then flags at 300 bit/s."""
    bits = np.tile([0, 1, 1, 1, 1, 1, 1, 0], int(random.integers(40, 90)))
    hertz = np.repeat(np.where(bits, *_V21_HZ), RATE_HZ // _V21_BAUD)
    flags = gain(level_dbfs) * np.sin(2 * np.pi * np.cumsum(hertz) / RATE_HZ)
    return np.concatenate([tone([_CED_HZ], random.uniform(2600, 4000), level_dbfs), silence(75), flags])


def noise(count: int, colour: str, random: Random) -> Sound:
    """`count` samples of noise of RMS 1: `white`, or `soft` (falling by 6 dB per octave above 500 Hz)."""
    sound = random.standard_normal(count)
    if colour == "soft":
        kept = np.exp(-2 * np.pi * 500 / RATE_HZ)
        sound = lfilter([1 - kept], [1, -kept], sound)
    return np.asarray(sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9)) if count else sound


def hum(count: int, level_dbfs: float, random: Random) -> Sound:
    """The mains: 50 or 60 Hz with harmonics up to 1 kHz, so that some lie close to ringing tones."""
    times, mains = np.arange(count) / RATE_HZ, float(random.choice([50, 60])) * random.uniform(0.999, 1.001)
    sound = np.zeros(count)
    for harmonic in range(1, 17):
        phase = random.uniform(0, 2 * np.pi)
        sound += random.uniform(0.3, 1) / harmonic * np.sin(2 * np.pi * mains * harmonic * times + phase)
    return np.asarray(sound / np.abs(sound).max(initial=1e-9) * gain(level_dbfs))


def clicks(count: int, level_dbfs: float, random: Random) -> Sound:
    """Crackle: one to five short impulses a second."""
    sound = np.zeros(count)
    for start in random.integers(0, max(count - 40, 1), round(count / RATE_HZ * random.uniform(1, 5))):
        length = int(random.integers(3, 40))
        burst = random.standard_normal(length) * np.exp(-np.arange(length) / (length / 3))
        sound[start : start + length] += (burst * random.uniform(0.3, 1))[: max(0, count - start)]
    return np.asarray(sound / np.abs(sound).max(initial=1e-9) * gain(level_dbfs))
