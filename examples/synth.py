"""Synthetic telephone sounds: ringback by national tone plan, beeps, busy tones, noise, and real codecs to use on them.

Everything is a float64 array in [-1, 1] at `rate_hz`; sounds are put after one another with `numpy.concatenate`. Levels
are peak dBFS (a sine at 0 dBFS fills the scale). Nothing here is recorded from anyone.
"""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import soundfile

from services.ingest.audio.tone_plans import ToneSpec, tone_plan

Sound = npt.NDArray[np.float64]
RATE_HZ = 8_000

_RAMP_MS = 3
#: libsndfile's container and encoding for each codec that a recorder may use.
CODECS = {
    "pcm16": ("WAV", "PCM_16"),
    "ulaw": ("WAV", "ULAW"),
    "alaw": ("WAV", "ALAW"),
    "gsm": ("WAV", "GSM610"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def silence(ms: float, rate_hz: int = RATE_HZ) -> Sound:
    """Digital silence."""
    return np.zeros(round(ms * rate_hz / 1000))


def tone(
    frequencies_hz: Sequence[float], ms: float, level_dbfs: float = -15.0, rate_hz: int = RATE_HZ, phase: float = 0.0
) -> Sound:
    """Sines of equal strength together, `level_dbfs` being the level of their sum, with short ramps."""
    times = np.arange(round(ms * rate_hz / 1000)) / rate_hz
    sound = sum((np.sin(2 * np.pi * hertz * times + phase) for hertz in frequencies_hz), start=np.zeros(len(times)))
    ramp = min(round(_RAMP_MS * rate_hz / 1000), len(times) // 2)
    if ramp:
        sound[:ramp] *= np.linspace(0, 1, ramp)
        sound[-ramp:] *= np.linspace(1, 0, ramp)
    return np.asarray(sound * 10 ** (level_dbfs / 20) / len(frequencies_hz))


def modulated(hertz: float, by_hz: float, ms: float, level_dbfs: float = -15.0, rate_hz: int = RATE_HZ) -> Sound:
    """A sine whose level swings `by_hz` times a second, by 90 %, as Asterisk makes it."""
    sound = tone([hertz], ms, level_dbfs, rate_hz)
    return np.asarray(sound * (1 + 0.9 * np.sin(2 * np.pi * by_hz * np.arange(len(sound)) / rate_hz)) / 1.9)


def cadenced(
    frequencies_hz: Sequence[float],
    cadence_ms: Sequence[float],
    cycles: int,
    level_dbfs: float = -15.0,
    rate_hz: int = RATE_HZ,
    modulation_hz: float = 0.0,
) -> Sound:
    """A tone that comes and goes: sound and pause in turn, `cycles` times; the last pause included."""
    parts = []
    for index, ms in enumerate(cadence_ms):
        if index % 2:
            parts.append(silence(ms, rate_hz))
        elif modulation_hz:
            parts.append(modulated(frequencies_hz[0], modulation_hz, ms, level_dbfs, rate_hz))
        else:
            parts.append(tone(frequencies_hz, ms, level_dbfs, rate_hz))
    return np.concatenate([*parts * cycles, np.zeros(0)])


def ringback(
    rings: int,
    country: str = "MA",
    *,
    spec: ToneSpec | None = None,
    cadence_ms: Sequence[float] | None = None,
    level_dbfs: float = -15.0,
    rate_hz: int = RATE_HZ,
    first_heard: float = 1.0,
    last_heard: float = 1.0,
    detune: float = 1.0,
) -> Sound:
    """Ringing as the caller hears it.

    Args:
        rings: How many rings sound, whole or cut.
        country: Whose tone plan.
        spec: Another ringing tone of the country than its usual one.
        cadence_ms: Another cadence than the tone's first.
        level_dbfs: Peak level.
        rate_hz: Sampling rate.
        first_heard: What part of the first ring is heard; less than 1 when the recording starts during it.
        last_heard: What part of the last ring is heard; less than 1 when it is answered, and then no pause follows.
        detune: A factor on the frequencies.
    """
    spec = spec or tone_plan(country).ring
    cadence = cadence_ms or spec.cadences_ms[0]
    frequencies = [hertz * detune for hertz in spec.frequencies_hz]
    sound = cadenced(frequencies, cadence, rings, level_dbfs, rate_hz, spec.modulation_hz * detune)
    ring_ms, pause_ms = sum(cadence[:-1]), cadence[-1]
    if last_heard < 1:
        cut = round((pause_ms + ring_ms * (1 - last_heard)) * rate_hz / 1000)
        sound = sound[: len(sound) - cut]
    return sound[round(ring_ms * (1 - first_heard) * rate_hz / 1000) :]


def not_ringing(
    kind: str, cycles: int, country: str = "MA", level_dbfs: float = -15.0, rate_hz: int = RATE_HZ
) -> Sound:
    """The country's `busy` or `congestion` tone."""
    spec: ToneSpec = getattr(tone_plan(country), kind)
    return cadenced(spec.frequencies_hz, spec.cadences_ms[0], cycles, level_dbfs, rate_hz)


def beep(hertz: float = 620.0, ms: float = 300.0, level_dbfs: float = -15.0, rate_hz: int = RATE_HZ) -> Sound:
    """A voicemail or network tone."""
    return tone([hertz], ms, level_dbfs, rate_hz)


def special_information(level_dbfs: float = -15.0, rate_hz: int = RATE_HZ) -> Sound:
    """The three rising tones before "the number you have dialled", and their pause."""
    tones = [tone([hertz], 330, level_dbfs, rate_hz) for hertz in (950, 1400, 1800)]
    return np.concatenate([*tones, silence(1_000, rate_hz)])


def dtmf(digits: str, level_dbfs: float = -12.0, rate_hz: int = RATE_HZ) -> Sound:
    """Keys pressed on a telephone, 120 ms each."""
    low, high = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    keys = [divmod("123A456B789C*0#D".index(digit), 4) for digit in digits]
    sounds = [cadenced([low[row], high[column]], (120, 80), 1, level_dbfs, rate_hz) for row, column in keys]
    return np.concatenate([*sounds, np.zeros(0)])


def noise(ms: float, level_dbfs: float, seed: int, rate_hz: int = RATE_HZ) -> Sound:
    """White noise of that RMS level."""
    generator = np.random.default_rng(seed)
    return np.asarray(generator.standard_normal(round(ms * rate_hz / 1000)) * 10 ** (level_dbfs / 20))


def with_noise(sound: Sound, snr_db: float, seed: int) -> Sound:
    """The sound under noise, `snr_db` below the RMS of its louder half (a tone's, not its pauses')."""
    loud = np.sort(np.abs(sound))[len(sound) // 2 :]
    loud = loud[loud > loud.max(initial=0) / 10]
    level = np.sqrt(np.mean(loud**2)) if len(loud) else 0.0
    generator = np.random.default_rng(seed)
    return np.asarray(sound + generator.standard_normal(len(sound)) * level * 10 ** (-snr_db / 20))


def vowels(ms: float, seed: int, level_dbfs: float = -15.0, rate_hz: int = RATE_HZ) -> Sound:
    """A voice-like sound that says nothing: syllables of a gliding pitch through changing formants, with pauses."""
    generator = np.random.default_rng(seed)
    parts: list[Sound] = []
    made = 0
    while made < round(ms * rate_hz / 1000):
        count = round(generator.uniform(0.12, 0.35) * rate_hz)
        pitch = generator.uniform(110, 240) * np.linspace(1, generator.uniform(0.8, 1.2), count)
        phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
        formants = generator.uniform((300, 900, 2200), (800, 2200, 3200))
        syllable = np.zeros(count)
        for harmonic in range(1, 25):
            gain = sum(1 / (1 + ((harmonic * pitch.mean() - centre) / 90) ** 2) for centre in formants)
            syllable += gain * np.sin(harmonic * phase)
        syllable *= np.hanning(count) / np.abs(syllable).max()
        parts += [syllable, np.zeros(round(generator.uniform(0.02, 0.2) * rate_hz))]
        made += len(parts[-1]) + count
    return np.concatenate(parts)[: round(ms * rate_hz / 1000)] * 10 ** (level_dbfs / 20)


def encoded(sound: Sound, codec: str = "pcm16", rate_hz: int = RATE_HZ) -> bytes:
    """A file with this sound, made by a real encoder; a 2-D array is [frames, channels]. For `codec` see `CODECS`."""
    container, encoding = CODECS[codec]
    file = io.BytesIO()
    soundfile.write(file, np.clip(sound, -1, 1), rate_hz, format=container, subtype=encoding)
    return file.getvalue()


def through(codec: str, sound: Sound, rate_hz: int = RATE_HZ) -> Sound:
    """The sound as it comes out of a codec."""
    samples, _ = soundfile.read(io.BytesIO(encoded(sound, codec, rate_hz)), dtype="float64")
    return np.asarray(samples)
