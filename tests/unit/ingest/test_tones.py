from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from scipy.signal import resample_poly

from examples import synth
from services.ingest.audio.resample import Samples
from services.ingest.audio.tone_plans import ToneSpec, plans_for, tone_plan, tone_plans
from services.ingest.audio.tones import Tones, find_tones

AUDIO = Path(__file__).parents[2] / "data" / "audio"
COUNTRIES = sorted(tone_plans())


def pcm(sound: synth.Sound) -> Samples:
    return np.clip(np.rint(sound * 32_768), -32_768, 32_767).astype(np.int16)


def tones(*parts: synth.Sound, country: str = "MA", rate_hz: int = 8_000) -> Tones:
    return find_tones(pcm(np.concatenate(parts)), rate_hz, plans_for(country))


@cache
def speech() -> synth.Sound:
    voices = []
    for name in ("whatstheweatherlike.wav", "stereo_diarization.wav"):
        sound, rate_hz = soundfile.read(AUDIO / name, always_2d=True)
        voices.append(resample_poly(sound.sum(axis=1), 8_000, rate_hz))
    return np.concatenate(voices)


@cache
def vowels() -> synth.Sound:
    return synth.vowels(60_000, 7)


# What is counted


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("rings", [0, 1, 2, 4, 5])
def test_rings_are_counted_by_every_country_s_plan(country: str, rings: int) -> None:
    found = tones(synth.silence(700), synth.ringback(rings, country), country=country)
    assert found.ring_count == rings
    assert found.ring_confidence >= 0.95
    assert found.voicemail_tone is False
    assert found.country == country


@pytest.mark.parametrize(
    ("country", "variant"), [(code, spec) for code in COUNTRIES for spec in tone_plan(code).other_rings]
)
def test_the_ringing_tones_of_other_networks_of_a_country_are_counted_too(country: str, variant: ToneSpec) -> None:
    found = tones(synth.silence(700), synth.ringback(3, country, spec=variant), country=country)
    assert (found.ring_count, found.ring_confidence >= 0.95) == (3, True)


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
@pytest.mark.parametrize("level_dbfs", [-40.0, -20.0, 0.0])
@pytest.mark.parametrize("country", ["MA", "UK"])
def test_rings_are_counted_through_every_codec_and_level_and_noise(codec: str, level_dbfs: float, country: str) -> None:
    line = synth.with_noise(
        np.concatenate([synth.silence(300), synth.ringback(5, country, level_dbfs=level_dbfs)]), 20, 1
    )
    found = tones(synth.through(codec, line), country=country)
    assert found.ring_count == 5
    assert found.ring_confidence >= 0.95


@pytest.mark.parametrize("cadence_ms", tone_plan("MA").ring.cadences_ms)
def test_each_cadence_of_a_country_is_read(cadence_ms: tuple[int, ...]) -> None:
    found = tones(synth.silence(500), synth.ringback(4, cadence_ms=cadence_ms, last_heard=0.7))
    assert (found.ring_count, found.ring_confidence >= 0.95) == (4, True)


def test_a_ring_s_place_and_frequency_are_told() -> None:
    found = tones(synth.silence(1_000), synth.ringback(2, detune=1.01), synth.vowels(3_000, 1))
    assert [ring.start_ms for ring in found.rings] == pytest.approx([1_000, 6_000], abs=40)
    assert [ring.end_ms for ring in found.rings] == pytest.approx([2_700, 7_700], abs=40)
    assert found.last_ring_end_ms == found.rings[-1].end_ms
    assert [ring.frequency_hz for ring in found.rings] == pytest.approx([429.25] * 2, abs=1)


@pytest.mark.parametrize(("first_heard", "rings"), [(0.9, 4), (0.6, 4), (0.4, 3), (0.1, 3)])
def test_the_ring_that_the_start_cuts_counts_from_one_half_on(first_heard: float, rings: int) -> None:
    found = tones(synth.ringback(4, first_heard=first_heard))
    assert (found.ring_count, found.ring_confidence >= 0.95) == (rings, True)


@pytest.mark.parametrize(("last_heard", "rings"), [(0.9, 4), (0.6, 4), (0.4, 3), (0.1, 3)])
def test_the_ring_that_the_answer_cuts_counts_from_one_half_on(last_heard: float, rings: int) -> None:
    found = tones(synth.silence(400), synth.ringback(4, last_heard=last_heard), speech())
    assert (found.ring_count, found.ring_confidence >= 0.9) == (rings, True)


def test_a_ring_cut_at_very_nearly_one_half_makes_the_count_doubtful() -> None:
    assert tones(synth.ringback(4, first_heard=0.5)).ring_confidence < 0.9


def test_16_khz_is_heard_like_8_khz() -> None:
    assert tones(synth.ringback(3, rate_hz=16_000), rate_hz=16_000).ring_count == 3


def test_levels_that_change_from_ring_to_ring_do_not_matter() -> None:
    found = tones(*(synth.ringback(1, level_dbfs=level) for level in (-35.0, -8.0, -25.0, -3.0, -30.0)))
    assert (found.ring_count, found.ring_confidence >= 0.95) == (5, True)


def test_lost_packets_and_clicks_do_not_split_a_ring() -> None:
    line = np.concatenate([synth.silence(500), synth.ringback(5)])
    generator = np.random.default_rng(3)
    for packet in range(0, len(line), 160):
        if generator.random() < 0.05:
            line[packet : packet + 160] = 0
    line[generator.integers(0, len(line), 30)] += 0.7
    assert (tones(line).ring_count, tones(line).ring_confidence >= 0.95) == (5, True)


def test_noise_as_loud_as_the_ringing_leaves_a_regular_count_sure() -> None:
    found = tones(synth.with_noise(np.concatenate([synth.silence(400), synth.ringback(5)]), 0, 5))
    assert (found.ring_count, found.ring_confidence >= 0.95) == (5, True)


def test_somebody_who_speaks_over_a_ring_does_not_split_it() -> None:
    line = np.concatenate([synth.silence(500), synth.ringback(4)])
    word = synth.vowels(600, 5, -12)
    line[6_000 * 8 : 6_000 * 8 + len(word)] += word
    assert (tones(line).ring_count, tones(line).ring_confidence >= 0.95) == (4, True)


def test_ringing_after_the_first_minute_is_counted() -> None:
    assert tones(synth.vowels(70_000, 4), synth.silence(1_000), synth.ringback(3)).ring_count == 3


# What is not a ring


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("kind", ["busy", "congestion"])
def test_busy_and_congestion_are_named_and_are_not_rings(country: str, kind: str) -> None:
    found = tones(synth.silence(300), synth.not_ringing(kind, 8, country), country=country)
    assert (found.ring_count, found.ring_confidence >= 0.95) == (0, True)
    alike = tone_plan(country).busy.cadences_ms == tone_plan(country).congestion.cadences_ms
    assert {tone.kind for tone in found.other} == {"busy" if alike else kind}


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("last_heard", [0.99, 0.7, 0.57, 0.3])
def test_a_busy_tone_right_after_ringing_adds_no_ring(country: str, last_heard: float) -> None:
    busy = [synth.silence(300), synth.not_ringing("busy", 6, country)]
    found = tones(synth.silence(300), synth.ringback(3, country, last_heard=last_heard), *busy, country=country)
    assert found.ring_count == (3 if last_heard > 0.5 else 2)


@pytest.mark.parametrize("country", COUNTRIES)
def test_speech_has_no_rings_and_no_other_tones(country: str) -> None:
    found = tones(speech(), vowels(), country=country)
    assert (found.ring_count, found.ring_confidence, found.other) == (0, 0.99, ())
    assert found.voicemail_tone is False


def test_another_country_s_ringing_is_not_this_one_s() -> None:
    for sound, listener in (("FR", "DE"), ("US", "MA"), ("MA", "UK"), ("JP", "UK"), ("UK", "US")):
        found = tones(synth.ringback(4, sound), country=listener)
        assert (found.ring_count, found.ring_confidence < 0.9) == (0, True)  # but it rang somehow, so zero is not sure


def test_a_dial_tone_is_not_a_ring() -> None:
    found = tones(synth.silence(300), synth.tone([425], 9_000), synth.silence(300))
    assert (found.ring_count, found.ring_confidence >= 0.95) == (0, True)
    assert [tone.kind for tone in found.other] == ["other"]


def test_held_notes_of_music_are_never_a_sure_count() -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        notes = [
            synth.tone([hertz, 2 * hertz, 3 * hertz], generator.choice([250, 500, 1_000, 1_500]))
            for hertz in 440 * 2 ** (generator.integers(-4, 5, 20) / 12)
        ]
        found = tones(*notes)
        assert found.ring_count == 0 or found.ring_confidence < 0.9


def notes(shape: Callable[[npt.NDArray[np.float64]], synth.Sound]) -> synth.Sound:
    """Five notes in the very rhythm of ringing."""
    times = np.arange(1_700 * 8) / 8_000
    return np.concatenate([np.concatenate([0.3 * shape(times), synth.silence(3_300)]) for _ in range(5)])


def test_a_whistle_or_a_plucked_string_in_the_rhythm_of_ringing_is_no_ringing() -> None:
    wavering = notes(lambda t: np.sin(2 * np.pi * (425 * t + 2.5 * np.sin(2 * np.pi * 5 * t))))
    fading = notes(lambda t: np.exp(-t / 0.35) * np.sin(2 * np.pi * 425 * t))
    assert tones(wavering).ring_count == 0
    assert tones(fading).ring_count == 0


def test_one_of_two_frequencies_alone_is_no_ringing() -> None:
    for hertz in (440, 480):
        for seed in range(5):
            line = synth.with_noise(synth.cadenced([hertz], (2_000, 4_000), 4), 20, seed)
            assert tones(line, country="US").ring_count == 0


def test_a_humming_tone_is_not_a_plain_one() -> None:
    humming = notes(lambda t: np.sin(2 * np.pi * 425 * t) * (1 + np.cos(2 * np.pi * 50 * t)))
    assert tones(humming).ring_count == 0


def test_an_echo_does_not_fill_the_pauses_of_a_busy_tone() -> None:
    line = synth.not_ringing("congestion", 12)
    echo = np.convolve(line, 0.05 * np.exp(-np.arange(4_000) / 1_600))[: len(line)]
    found = tones(synth.silence(300), line + echo)
    assert {tone.kind for tone in found.other} == {"congestion"}
    assert len(found.other) == 12


def test_nothing_at_all_is_a_sure_zero() -> None:
    for sound in (np.zeros(0), synth.silence(30), synth.silence(10_000), synth.noise(10_000, -30, 1)):
        found = tones(sound)
        assert (found.ring_count, found.ring_confidence, found.last_ring_end_ms) == (0, 0.99, None)


# How sure the count is


def test_a_gap_in_which_a_ring_would_fit_makes_the_count_doubtful() -> None:
    found = tones(synth.ringback(2), synth.silence(5_000), synth.ringback(2))
    assert (found.ring_count, found.ring_confidence < 0.9) == (4, True)


def test_a_lone_piece_of_a_ring_whose_cadence_nobody_knows_makes_the_count_doubtful() -> None:
    assert tones(synth.tone([425], 700), synth.silence(3_000)).ring_confidence < 0.9


def test_a_ring_cut_where_the_cadences_disagree_makes_the_count_doubtful() -> None:
    # 0.95 s: a whole ring of 1 s nearly, more than half of one of 1.7 s, less than half of one of 2 s.
    assert tones(synth.tone([425], 950), speech()).ring_confidence < 0.9


def test_irregular_ringing_makes_the_count_doubtful() -> None:
    rings = [part for pause in (900, 2_100, 4_600) for part in (synth.ringback(1)[: 1_700 * 8], synth.silence(pause))]
    assert tones(*rings).ring_confidence < 0.9


def test_a_tone_too_long_for_a_ring_and_too_short_for_a_dial_tone_makes_the_count_doubtful() -> None:
    found = tones(synth.ringback(3), synth.tone([425], 2_700), synth.silence(500))
    assert (found.ring_count, found.ring_confidence < 0.9) == (3, True)
