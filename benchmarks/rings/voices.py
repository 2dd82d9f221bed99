"""What people and instruments sound like: recorded speech, singing, whistling and music, with notes near ringing tones.

Speech comes from the files in `speech/`, cut, sped up and slowed down; everything else is computed. The notes are the
worst a counter of rings can meet: many are held, near 425 and 440 Hz.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.rings.sounds import RATE_HZ, Random, Sound, gain, noise, samples, silence
from examples.synth import vowels

#: A4 and the ringing tones: where held notes like to lie.
_NEAR_HZ = (415.0, 445.0)
#: Semitones of a major scale.
_SCALE = (0, 2, 4, 5, 7, 9, 11)
_SHARE_OF_VOWELS = 0.2


@cache
def _recordings() -> tuple[Sound, ...]:
    folder = Path(__file__).parent / "speech"
    return tuple(soundfile.read(path)[0] for path in sorted(folder.glob("*.flac")))


def speech(ms: float, level_dbfs: float, random: Random) -> Sound:
    """Phrases of several speakers with pauses between them, exactly so long."""
    parts: list[Sound] = []
    wanted, made = samples(ms), 0
    while made < wanted:
        parts += [_phrase(random) * gain(random.uniform(-6, 0)), silence(random.uniform(80, 700))]
        made += len(parts[-2]) + len(parts[-1])
    return np.concatenate([*parts, silence(0)])[:wanted] * gain(level_dbfs)


def _phrase(random: Random) -> Sound:
    """One to six seconds of one speaker, peaking at 1."""
    if random.random() < _SHARE_OF_VOWELS:
        sound = vowels(random.uniform(800, 4000), int(random.integers(2**31)))
    else:
        recording = _recordings()[random.integers(len(_recordings()))]
        length = min(len(recording), samples(random.uniform(1000, 6000)))
        first = int(random.integers(len(recording) - length + 1))
        pace = random.uniform(0.87, 1.15)
        sound = np.interp(np.arange(first, first + length - 1, pace), np.arange(len(recording)), recording)
    fade = min(200, len(sound) // 2)
    sound[:fade] *= np.linspace(0, 1, fade)
    sound[-fade:] *= np.linspace(1, 0, fade)
    return np.asarray(sound / np.abs(sound).max(initial=1e-3))


def singing(ms: float, level_dbfs: float, random: Random) -> Sound:
    """A voice that holds its notes, with vibrato, its pitch or its second harmonic near a ringing tone."""
    octave = float(random.choice([0.5, 1.0]))
    return _melody(ms, level_dbfs, random, lambda hertz, length: _sung(hertz * octave, length, random))


def whistling(ms: float, level_dbfs: float, random: Random) -> Sound:
    """Someone whistles: almost pure, gliding a little."""
    octave = float(random.choice([1.0, 1.0, 2.0]))
    return _melody(ms, level_dbfs, random, lambda hertz, length: _whistled(hertz * octave, length, random))


def music(ms: float, level_dbfs: float, random: Random) -> Sound:
    """One to three voices of one of several instruments."""
    instrument = str(random.choice(["organ", "flute", "piano", "strings"]))
    voices = [
        _melody(ms, 0.0, random, lambda hertz, length: _played(instrument, hertz, length, random)) * strength
        for strength in (1.0, 0.5, 0.35)[: int(random.integers(1, 4))]
    ]
    sound = np.sum(voices, axis=0)
    return np.asarray(sound / np.abs(sound).max(initial=1e-9) * gain(level_dbfs))


def _melody(ms: float, level_dbfs: float, random: Random, sung: Callable[[float, int], Sound]) -> Sound:
    """Notes of a scale; every other phrase rests on one near a ringing tone, held up to 2.5 s."""
    tonic = random.uniform(*_NEAR_HZ) / 2 ** (float(random.choice(_SCALE)) / 12)
    beat_ms = random.uniform(180, 500)
    sound, place = silence(ms), 0
    while place < len(sound):
        if random.random() < 0.3:
            hertz, length = random.uniform(*_NEAR_HZ), samples(random.uniform(500, 2500))
        else:
            step = float(random.choice(_SCALE)) + 12 * float(random.choice([-1, 0, 0, 0, 1]))
            hertz, length = tonic * 2 ** (step / 12), samples(beat_ms * float(random.choice([1, 1, 2, 3])))
        note = sung(hertz, length)[: len(sound) - place]
        sound[place : place + len(note)] += note
        place += length + (samples(random.uniform(100, 1200)) if random.random() < 0.2 else 0)
    return np.asarray(sound / np.abs(sound).max(initial=1e-9) * gain(level_dbfs))


def _glide(hertz: float, length: int, wobble: float, random: Random) -> Sound:
    """The phase of a pitch that starts and ends a little off and has vibrato."""
    times = np.arange(length) / RATE_HZ
    slide = 1 + random.uniform(-1, 1) * wobble * np.exp(-times / 0.06) + random.uniform(-1, 1) * wobble / 4 * times
    vibrato = 1 + wobble * random.uniform(0.3, 1) * np.sin(2 * np.pi * random.uniform(4.5, 6.5) * times)
    return np.asarray(2 * np.pi * np.cumsum(hertz * slide * vibrato) / RATE_HZ)


def _envelope(length: int, attack_ms: float, release_ms: float) -> Sound:
    shape = np.ones(length)
    attack, release = (min(samples(part), length // 2) for part in (attack_ms, release_ms))
    shape[:attack] = np.linspace(0, 1, attack)
    shape[length - release :] *= np.linspace(1, 0, release)
    return shape


def _sung(hertz: float, length: int, random: Random) -> Sound:
    phase = _glide(hertz, length, random.uniform(0.004, 0.025), random)
    formants = random.uniform((350, 900, 2300), (800, 1900, 3000))
    sound = np.zeros(length)
    for harmonic in range(1, int(3600 / hertz) + 1):
        strength = sum(1 / (1 + ((harmonic * hertz - centre) / 110) ** 2) for centre in formants)
        sound += (strength + 0.02) * np.sin(harmonic * phase)
    return np.asarray(sound / np.abs(sound).max(initial=1e-9) * _envelope(length, 50, 90))


def _whistled(hertz: float, length: int, random: Random) -> Sound:
    phase = _glide(hertz, length, random.uniform(0.002, 0.015), random)
    breath = noise(length, "white", random) * random.uniform(0.005, 0.05)
    return np.asarray((np.sin(phase) + 0.03 * np.sin(2 * phase) + breath) * _envelope(length, 40, 60))


def _played(instrument: str, hertz: float, length: int, random: Random) -> Sound:
    wobble = {"organ": 0.0002, "piano": 0.0002, "flute": 0.003, "strings": 0.008}[instrument]
    harmonics = {
        "organ": (1, 0.7, 0.5, 0.4, 0.2, 0.2),
        "piano": (1, 0.6, 0.35, 0.2, 0.12, 0.06),
        "flute": (1, 0.15, 0.05),
        "strings": (1, 0.8, 0.6, 0.5, 0.35, 0.3, 0.2),
    }[instrument]
    phase = _glide(hertz, length, wobble, random)
    sound = np.zeros(length)
    for number, strength in enumerate(harmonics, 1):
        if number * hertz < 3600:
            sound += strength * np.sin(number * phase)
    if instrument == "piano":
        sound *= np.exp(-np.arange(length) / RATE_HZ / random.uniform(0.4, 1.2))
    return sound * _envelope(length, 8 if instrument in ("organ", "piano") else 60, 40)
