"""What a telephone line adds to speech: ringback before it, band limits, and noise of several kinds."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

Wave = NDArray[np.float32]

#: Kinds of noise, and how often each is heard in training. `babble` and `hum` are mixed with some hiss.
NOISES = ("white", "coloured", "hum", "babble")
NOISE_WEIGHTS = (35, 40, 10, 15)
#: Ringing tones: most countries' 425 Hz (ITU-T E.180), others within 400-450 Hz.
RINGBACK_HZ = (425.0, 425.0, 425.0, 400.0, 440.0, 450.0)
#: The beep of a voice mail.
BEEP_HZ = (1000.0, 1400.0, 440.0)


def ringback(rng: random.Random, rate_hz: int) -> list[Wave]:
    """What a cut may have left before the speech: the end of a ring, or whole rings (1 to 2 s), now and then a beep."""
    level = rng.uniform(0.05, 0.6)
    hertz = rng.choice(RINGBACK_HZ)
    kind = rng.random()
    if kind < 0.5:
        return [_tone(hertz, rng.uniform(0.1, 0.9), level, rate_hz)]
    if kind < 0.9:
        whole = [_tone(hertz, rng.uniform(1.0, 2.0), level, rate_hz), _quiet(rng.uniform(0.5, 3.5), rate_hz)]
        return [_tone(hertz, rng.uniform(0.1, 1.5), level, rate_hz), *whole[::-1]] if kind < 0.6 else whole
    return [_quiet(rng.uniform(0.0, 0.5), rate_hz), _tone(rng.choice(BEEP_HZ), rng.uniform(0.2, 0.8), level, rate_hz)]


def band_limited(wave: Wave, low_hz: float, high_hz: float, rate_hz: int) -> Wave:
    """Only what a telephone line lets through."""
    return np.asarray(sosfilt(butter(4, [low_hz, high_hz], "bandpass", fs=rate_hz, output="sos"), wave), np.float32)


def scaled(wave: Wave, peak_db: float) -> Wave:
    """With its peak at so many dB from full scale."""
    peak = float(np.abs(wave).max(initial=1e-6))
    return np.asarray(wave * (10 ** (peak_db / 20) * 0.98 / peak), np.float32)


def noisy(
    wave: Wave, speech: Wave, kind: tuple[str, float], rate_hz: int, rng: random.Random, source: np.random.Generator
) -> Wave:
    """Adds noise of a kind at so many dB below the mean power of `speech`, which is the wave without its pauses."""
    name, snr_db = kind
    added = noise(name, len(wave), rate_hz, rng, source)
    power = float(np.mean(np.square(speech))) / 10 ** (snr_db / 10)
    return np.asarray(wave + added * np.sqrt(power / np.mean(np.square(added))), np.float32)


def noise(name: str, length: int, rate_hz: int, rng: random.Random, source: np.random.Generator) -> NDArray[np.float64]:
    """Noise of a kind, of any level, [length]."""
    white = source.standard_normal(length)
    if name == "white":
        return white
    if name == "coloured":
        # A single pole or zero: from rumble to hiss.
        pole = rng.uniform(0.5, 0.98) if rng.random() < 0.8 else -rng.uniform(0.3, 0.8)
        return np.asarray(lfilter([1.0], [1.0, -pole], white))
    if name == "hum":
        time_s = np.arange(length) / rate_hz
        parts = [
            rng.uniform(0, 1) / h * np.sin(2 * np.pi * 50 * h * time_s + rng.uniform(0, 6.3)) for h in range(1, 16)
        ]
        hum = np.sum(parts, axis=0)
        return np.asarray(hum + white * np.std(hum) * rng.uniform(0.05, 0.3))
    return _babble(length, rate_hz, rng, source) + 0.1 * white


def _babble(length: int, rate_hz: int, rng: random.Random, source: np.random.Generator) -> NDArray[np.float64]:
    """Several voices at once, none to be understood: pulses at their pitches through moving resonances."""
    total = np.zeros(length)
    for _ in range(rng.randint(4, 7)):
        pitch_hz = rng.uniform(90, 240) * (1 + 0.1 * _slow(length, rate_hz, 2.0, source))
        phase = np.cumsum(pitch_hz / rate_hz)
        voice = (phase % 1 < pitch_hz / rate_hz).astype(np.float64) + 0.02 * source.standard_normal(length)
        for low, high in ((250, 850), (900, 2300)):
            edge = rng.uniform(low, high)
            band = [edge * 0.85, min(edge * 1.18, rate_hz * 0.45)]
            voice = sosfilt(butter(1, band, "bandpass", fs=rate_hz, output="sos"), voice) + 0.3 * voice
        loud = np.clip(_slow(length, rate_hz, 4.0, source) + 0.4, 0, None)
        total += voice * loud / max(float(np.std(voice * loud)), 1e-9)
    return np.asarray(total / np.std(total))


def _slow(length: int, rate_hz: int, hertz: float, source: np.random.Generator) -> NDArray[np.float64]:
    """A curve that wanders about nought at so many turns a second, of unit deviation."""
    points = source.standard_normal(int(length / rate_hz * 2 * hertz) + 3)
    return np.asarray(np.interp(np.arange(length) / rate_hz * 2 * hertz, np.arange(len(points)), points))


def _tone(hertz: float, seconds: float, level: float, rate_hz: int) -> Wave:
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    return np.asarray(level * np.sin(2 * np.pi * hertz * time_s), np.float32)


def _quiet(seconds: float, rate_hz: int) -> Wave:
    return np.zeros(int(seconds * rate_hz), np.float32)
