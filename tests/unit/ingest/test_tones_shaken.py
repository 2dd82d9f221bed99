"""A generator's tone shaken by noise and codecs, and notes that are held nearly as well as a generator's tone."""

import tracemalloc

import numpy as np
import pytest

from examples import synth
from services.ingest.audio.resample import Samples
from services.ingest.audio.tone_plans import plans_for, tone_plan
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


def smeared(part: float, seed: int) -> synth.Sound:
    """A ring beside whose frequency a codec has put `part` of its power."""
    generator = np.random.default_rng(seed)
    times = np.arange(1_700 * 8)[:, None] / 8_000
    hertz = 425 + generator.uniform(15, 90, 40) * generator.choice([-1, 1], 40)
    beside = np.sin(2 * np.pi * hertz * times + generator.uniform(0, 6, 40)).sum(axis=1) / np.sqrt(40)
    return np.asarray(0.02 * (np.sin(2 * np.pi * 425 * times[:, 0]) + np.sqrt(part) * beside))


def test_smeared_rings_count_among_others_in_their_rhythm_and_none_counts_alone() -> None:
    counts = []
    for seed in range(10):
        rings = [smeared(0.4 if ring % 2 else 0.1, 10 * seed + ring) for ring in range(6)]
        counts.append(tones(*(part for ring in rings for part in (ring, synth.silence(3_300)))).ring_count)
        assert tones(synth.silence(4_000), smeared(0.4, seed), synth.silence(3_000)).ring_count == 0
    assert sum(counts) >= 55


@pytest.mark.parametrize("rings", [1, 2, 5])
def test_a_weak_ring_that_amr_shakes_and_lowers_to_the_noise_before_it_is_a_ring(rings: int) -> None:
    for seed in range(10):
        found = tones(through_amr(rings, seed))
        assert (found.ring_count, found.ring_confidence >= 0.9) == (rings, True)


def test_two_rings_whose_pitch_amr_has_moved_apart_are_of_one_ringing() -> None:
    for seed in range(10):
        found = tones(through_amr(6, seed, detune=0.01))
        assert (found.ring_count, found.ring_confidence >= 0.9) == (6, True)


def test_a_lone_ring_just_before_music_is_counted_in_doubt() -> None:
    melody = [synth.tone([hertz, 2 * hertz, 3 * hertz], 400) for hertz in (330, 370, 392, 330, 294, 370, 330)]
    found = tones(synth.silence(2_000), synth.ringback(1)[: 1_700 * 8], synth.silence(300), *melody)
    assert (found.ring_count, found.ring_confidence < 0.9) == (1, True)
    found = tones(synth.silence(2_000), synth.tone([425], 1_400), synth.silence(300), *melody)
    assert (found.ring_count, found.ring_confidence < 0.9) == (0, True)


# How long a ring is


@pytest.mark.parametrize("country", ["MA", "UK", "JP", "AU", "US"])
@pytest.mark.parametrize("before_ms", [600, 607, 613])
def test_a_ring_s_edges_are_told_to_5_ms(country: str, before_ms: int) -> None:
    sound = synth.silence(before_ms), synth.ringback(3, country), synth.silence(1_000)
    for line in (np.concatenate(sound), synth.with_noise(np.concatenate(sound), 15, 3)):
        found = tones(line, country=country)
        cadence_ms = tone_plan(country).ring.cadences_ms[0]
        starts = [before_ms + ring * sum(cadence_ms) for ring in range(3)]
        assert [ring.start_ms for ring in found.rings] == pytest.approx(starts, abs=5)
        ends = [start + sum(cadence_ms[:-1]) for start in starts]
        assert [ring.end_ms for ring in found.rings] == pytest.approx(ends, abs=5)


@pytest.mark.parametrize("country", ["MA", "DE", "JP", "US"])
@pytest.mark.parametrize(("heard", "rings"), [(0.46, 3), (0.54, 4)])
def test_a_ring_cut_by_a_twenty_fifth_below_or_above_one_half_is_told_for_sure(
    country: str, heard: float, rings: int
) -> None:
    for before_ms in (200, 206, 213):
        line = synth.silence(before_ms), synth.ringback(4, country, last_heard=heard), synth.vowels(2_000, 1)
        found = tones(*line, country=country)
        assert (found.ring_count, found.ring_confidence >= 0.9) == (rings, True)


def test_a_ring_that_the_start_cuts_is_no_measure_of_one_half() -> None:
    # 0.85 of a ring is heard first, then 0.46 of one: not half of a whole ring, though more than half of the first.
    found = tones(synth.ringback(2, "DE", first_heard=0.85, last_heard=0.46), synth.silence(300), country="DE")
    assert (found.ring_count, found.ring_confidence >= 0.9) == (1, True)


def test_a_last_ring_that_goes_over_into_a_voice_leaves_its_length_in_doubt() -> None:
    ringing = synth.ringback(4, last_heard=0.3)
    voice = 0.45 * synth.tone([425], 600)
    found = tones(synth.silence(300), ringing, voice, synth.silence(1_000))
    assert (found.ring_count, found.ring_confidence < 0.9) == (4, True)


@pytest.mark.parametrize("lengths_ms", [(870, 980, 870, 870, 460), (900, 900, 470)])
def test_half_a_ring_of_an_exchange_that_rings_short_is_never_left_out_surely(lengths_ms: tuple[int, ...]) -> None:
    rings = [np.concatenate([synth.tone([425], ms), synth.silence(5_000 - ms)]) for ms in lengths_ms]
    found = tones(synth.silence(1_000), *rings, country="DE")
    assert found.ring_count == len(lengths_ms) or found.ring_confidence < 0.9


def test_a_line_left_on_a_tone_takes_no_memory_by_its_length() -> None:
    peaks = []
    for seconds in (60, 240):
        line = pcm(synth.tone([425], seconds * 1_000))
        tracemalloc.start()
        find_tones(line, 8_000, plans_for("DE"))
        peaks.append(tracemalloc.get_traced_memory()[1] - 4 * len(line))
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] + 1e6
