"""A generator's tone shaken by noise and codecs, and notes that are held nearly as well as a generator's tone."""

import numpy as np
import pytest

from examples import synth
from services.ingest.audio.resample import Samples
from services.ingest.audio.tone_plans import plans_for
from services.ingest.audio.tones import Tones, find_tones


def pcm(sound: synth.Sound) -> Samples:
    return np.clip(np.rint(sound * 32_768), -32_768, 32_767).astype(np.int16)


def tones(*parts: synth.Sound, country: str = "MA") -> Tones:
    return find_tones(pcm(np.concatenate(parts)), 8_000, plans_for(country))


def trembling(ms: float, by_hz: float) -> synth.Sound:
    """Somebody holds a note well: 425 Hz, `by_hz` up and down five times a second."""
    times = np.arange(round(ms * 8)) / 8_000
    shape = np.minimum(1, np.minimum(times, times[-1] - times) / 0.04)
    return np.asarray(0.2 * shape * np.sin(2 * np.pi * 425 * times + by_hz / 5 * np.sin(2 * np.pi * 5 * times)))


@pytest.mark.parametrize("by_hz", [0.6, 2.0])
def test_a_held_note_as_long_as_a_ring_that_trembles_is_no_ring(by_hz: float) -> None:
    found = tones(synth.silence(6_000), trembling(1_700, by_hz), synth.silence(4_000))
    assert (found.ring_count, found.ring_confidence < 0.9) == (0, True)
    in_rhythm = np.concatenate([trembling(1_700, by_hz), synth.silence(3_300)] * 4)
    assert tones(synth.silence(500), in_rhythm).ring_count == 0


@pytest.mark.parametrize("snr_db", [8.0, 15.0])
def test_noise_does_not_make_a_generator_s_tone_tremble(snr_db: float) -> None:
    line = np.concatenate([synth.silence(400), synth.ringback(1), synth.silence(3_000)])
    for seed in range(10):
        assert tones(synth.with_noise(line, snr_db, seed)).ring_count == 1


def through_amr(rings: int, seed: int, detune: float = 0.0) -> synth.Sound:
    """Weak ringing in noise as AMR-NB decodes it.

    The tone's level and phase are shaken from one 20 ms to the next, each ring is off in pitch by up to `detune`, and
    noise sounds in the pauses only, as loud as the tone has become.
    """
    generator = np.random.default_rng(seed)
    line = synth.noise(500 + rings * 5_000, -37, seed)
    times, cells = np.arange(1_700 * 8) / 8_000, np.arange(0, 1.72, 0.02)
    for ring in range(rings):
        hertz = 425 * (1 + generator.uniform(-detune, detune))
        phase = np.interp(times, cells, generator.normal(0, 0.35, len(cells)))
        decibels = np.interp(times, cells, generator.normal(-34, 3.5, len(cells)))
        start = (500 + ring * 5_000) * 8
        line[start : start + len(times)] = 10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * times + phase)
    return line


@pytest.mark.parametrize("rings", [1, 2, 5])
def test_a_weak_ring_that_amr_shakes_and_lowers_to_the_noise_before_it_is_a_ring(rings: int) -> None:
    for seed in range(10):
        found = tones(through_amr(rings, seed))
        assert (found.ring_count, found.ring_confidence >= 0.9) == (rings, True)


def test_two_rings_whose_pitch_amr_has_moved_apart_are_of_one_ringing() -> None:
    for seed in range(10):
        found = tones(through_amr(6, seed, detune=0.01))
        assert (found.ring_count, found.ring_confidence >= 0.9) == (6, True)
