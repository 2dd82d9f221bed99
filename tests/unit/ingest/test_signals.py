"""Tones that are no rings: the voicemail tone, keys, fax tones and the special information tone; and music."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from examples import synth
from services.ingest.audio.tone_plans import tone_plan
from services.ingest.audio.tones import Tones, find_tones

AUDIO = Path(__file__).parents[2] / "data" / "audio"


def tones(*parts: synth.Sound, country: str = "MA") -> Tones:
    sound = np.concatenate(parts)
    return find_tones(np.clip(np.rint(sound * 32_768), -32_768, 32_767).astype(np.int16), 8_000, tone_plan(country))


def named(*parts: synth.Sound) -> list[str]:
    return [tone.kind for tone in tones(*parts).other]


@cache
def speech() -> synth.Sound:
    voices = []
    for path in sorted(AUDIO.glob("*.wav")):
        sound, rate_hz = soundfile.read(path, always_2d=True)
        voices.append(resample_poly(sound.sum(axis=1), 8_000, rate_hz))
    return np.concatenate(voices)


# The voicemail tone


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
@pytest.mark.parametrize("hertz", [600.0, 640.0])
def test_a_beep_after_the_last_ring_is_the_voicemail_tone(codec: str, hertz: float) -> None:
    beep = synth.beep(hertz)
    line = [synth.silence(300), synth.ringback(2), synth.vowels(3_000, 2), synth.silence(200), beep, synth.silence(200)]
    found = tones(synth.through(codec, synth.with_noise(np.concatenate(line), 20, 2)))
    assert (found.ring_count, found.voicemail_tone) == (2, True)
    assert [(tone.kind, abs(tone.end_ms - tone.start_ms - 300) <= 40) for tone in found.other] == [("voicemail", True)]


def test_a_beep_before_the_ringing_is_no_voicemail_tone() -> None:
    assert tones(synth.beep(), synth.silence(500), synth.ringback(2)).voicemail_tone is False


def test_a_beep_without_any_ring_is_not_known_to_be_voicemail() -> None:
    found = tones(synth.silence(500), synth.beep(), synth.silence(500))
    assert found.voicemail_tone is None
    assert [tone.kind for tone in found.other] == ["other"]


@pytest.mark.parametrize(("hertz", "ms"), [(620.0, 1_500.0), (620.0, 60.0), (700.0, 300.0), (1_000.0, 300.0)])
def test_another_length_or_pitch_is_no_voicemail_tone(hertz: float, ms: float) -> None:
    assert tones(synth.ringback(2), synth.beep(hertz, ms), synth.silence(300)).voicemail_tone is False


# Keys, fax and special information


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
def test_keys_pressed_are_keys_and_not_rings(codec: str) -> None:
    found = tones(synth.through(codec, synth.dtmf("0612345678*#" * 3 + "11")))
    assert (found.ring_count, found.ring_confidence) == (0, 0.99)
    assert [tone.kind for tone in found.other] == ["dtmf"] * 38


def test_keys_are_heard_1_5_percent_off_and_under_noise() -> None:
    off = synth.tone([770 * 1.015, 1336 * 1.015], 100)
    assert named(synth.with_noise(np.concatenate([synth.silence(200), off, synth.silence(200)]), 15, 1)) == ["dtmf"]


def test_one_half_of_a_key_is_no_key() -> None:
    assert named(synth.silence(200), synth.tone([770], 100), synth.silence(100), synth.tone([1336], 100)) == []


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
def test_the_special_information_tone_is_one_tone(codec: str) -> None:
    found = tones(synth.through(codec, np.concatenate([synth.silence(300), synth.special_information()])))
    assert [tone.kind for tone in found.other] == ["sit"]
    assert [found.other[0].start_ms, found.other[0].end_ms] == pytest.approx([300, 1_290], abs=60)
    assert (found.ring_count, found.ring_confidence) == (0, 0.99)


def test_north_america_s_special_information_tone_is_one_too() -> None:
    parts = [synth.tone([hertz], ms) for hertz, ms in ((985.2, 380), (1_370.6, 274), (1_776.7, 380))]
    assert named(synth.silence(300), *parts, synth.silence(300)) == ["sit"]


def test_its_three_tones_in_another_order_are_none() -> None:
    parts = [synth.tone([hertz], 330) for hertz in (1_800, 1_400, 950)]
    assert named(synth.silence(300), *parts, synth.silence(300)) == []


def test_a_calling_and_an_answering_fax_are_told_apart() -> None:
    assert named(synth.silence(300), synth.cadenced([1_100], (500, 3_000), 3)) == ["cng"] * 3
    assert named(synth.silence(300), synth.tone([2_100], 3_000), synth.silence(300)) == ["ced"]


def test_people_and_vowels_press_no_keys_and_send_no_fax() -> None:
    assert named(speech(), synth.silence(1_000), synth.vowels(60_000, 11)) == []


# Music where ringing should be


def melody(ms: float, seed: int) -> synth.Sound:
    generator = np.random.default_rng(seed)
    notes: list[synth.Sound] = []
    while sum(map(len, notes)) < ms * 8:
        hertz = 262 * 2 ** (generator.choice([0, 2, 4, 7, 9, 12]) / 12)
        notes.append(synth.tone([hertz, 2 * hertz, 3 * hertz], float(generator.choice([250, 500, 750]))))
    return np.concatenate(notes)


@pytest.mark.parametrize("codec", ["ulaw", "gsm", "opus", "mp3"])
def test_music_instead_of_ringing_makes_zero_rings_unsure(codec: str) -> None:
    line = np.concatenate([synth.silence(400), melody(12_000, 3), speech()])
    found = tones(synth.through(codec, synth.with_noise(line, 20, 1)))
    assert (found.ring_count, found.ring_confidence < 0.9, "music" in found.doubts) == (0, True, True)


def test_another_country_s_single_ring_makes_zero_rings_unsure() -> None:
    assert tones(synth.silence(400), synth.ringback(1, "US"), speech()).ring_confidence < 0.9


@pytest.mark.parametrize("codec", ["ulaw", "gsm", "opus", "mp3"])
def test_a_call_that_begins_with_speech_keeps_its_sure_zero(codec: str) -> None:
    for line in (speech(), np.concatenate([speech(), melody(8_000, 4)]), synth.with_noise(speech(), 10, 2)):
        found = tones(synth.through(codec, line))
        assert (found.ring_count, found.ring_confidence) == (0, 0.99)


def test_music_after_one_ring_leaves_it_one() -> None:
    found = tones(synth.silence(400), synth.ringback(1), speech(), melody(8_000, 5))
    assert found.ring_count == 1
