"""Recordings that are known again by their fingerprints, through real encoders, and others that are not."""

from collections.abc import Callable
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy.signal import resample_poly

from examples import synth
from examples.make import BUCKET, DAY
from ringtrue.fingerprint import SAME_AUDIO_SIMILARITY, Match, compare
from services.ingest.audio.decode import decode
from services.ingest.audio.fingerprint import fingerprint
from services.ingest.audio.hearing import HearingSettings, hear
from services.ingest.audio.resample import resampled
from services.ingest.audio.speech import SpeechDetector
from tests.encoders import encoded_by_av

Sound = synth.Sound


def through(codec: str) -> Callable[[Sound], bytes]:
    return lambda sound: synth.encoded(sound, codec)


def at_16_khz(codec: str) -> Callable[[Sound], bytes]:
    return lambda sound: synth.encoded(resample_poly(sound, 2, 1), codec, 16_000)


WAYS: dict[str, Callable[[Sound], bytes]] = {
    "mu-law": through("ulaw"),
    "A-law": through("alaw"),
    "GSM 6.10": through("gsm"),
    "Opus": through("opus"),
    "Vorbis": through("vorbis"),
    "MP3": through("mp3"),
    "Opus at 12 kb/s": lambda sound: encoded_by_av(sound, "ogg", "libopus", 8_000, 12_000),
    "MP3 at 16 kb/s": lambda sound: encoded_by_av(sound, "mp3", "libmp3lame", 8_000, 16_000),
    "AMR": lambda sound: encoded_by_av(sound, "amr", "libopencore_amrnb", 8_000, 12_200),
    "AMR at its lowest rate": lambda sound: encoded_by_av(sound, "amr", "libopencore_amrnb", 8_000, 4_750),
    "AAC without its delay": lambda sound: encoded_by_av(sound, "adts", "aac", 8_000, 24_000),
    "16 kHz": at_16_khz("pcm16"),
    "16 kHz and MP3": at_16_khz("mp3"),
    "20 dB softer": lambda sound: synth.encoded(sound / 10, "ulaw"),
    "20 dB of noise": lambda sound: synth.encoded(synth.with_noise(sound, 20, 4), "ulaw"),
    "20 dB of noise and MP3": lambda sound: synth.encoded(synth.with_noise(sound, 20, 5), "mp3"),
    "clipped": lambda sound: synth.encoded(np.clip(4 * sound, -1, 1), "alaw"),
    "a copy on two channels": lambda sound: synth.encoded(np.column_stack([sound, sound]), "flac"),
}


def rung(begun_ms: float, ms: float, level_dbfs: float = -15.0, noise: int = 1) -> Sound:
    """Nothing but ringing, recorded from some moment of the cadence on, on a line with a noise of its own."""
    sound = synth.ringback(int((begun_ms + ms) / 5_000) + 1, level_dbfs=level_dbfs)
    return sound[round(begun_ms * 8) :][: round(ms * 8)] + synth.noise(ms, -55, noise)


def announced(ringing_ms: float, after_ms: float) -> Sound:
    """Ringing, an operator's announcement, and a while until it is hung up."""
    announcement = sample("ivr-000104.flac")[0][6_400:-9_600]
    return np.concatenate([rung(0, ringing_ms), announcement, synth.silence(after_ms)])


@cache
def sample(name: str) -> list[Sound]:
    """The channels of one of the sample calls."""
    recording = decode((BUCKET / DAY / name).read_bytes(), name)
    return [resampled(channel, recording.rate_hz, 8_000) / 32_768 for channel in recording.channels]


CALLS = {
    "only ringing": rung(900, 23_000),
    "hung up in the second ring": rung(0, 6_000, level_dbfs=-30),
    "an announcement": announced(7_300, 900),
    "a conversation": sample("ivr-000112.wav")[0],
    "a voice": synth.vowels(8_000, 3),
}


def print_of(file: bytes) -> bytes:
    recording = decode(file, "call")
    made = fingerprint(
        [resampled(channel, recording.rate_hz, 8_000) for channel in recording.channels], recording.duration_ms
    )
    assert made is not None
    return made


def plain(sound: Sound) -> bytes:
    return print_of(synth.encoded(sound, "pcm16"))


def matched(one: bytes, other: bytes) -> Match:
    match = compare(one, other)
    assert match is not None
    return match


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", WAYS)
def test_a_recording_that_was_encoded_in_another_way_is_known_again(call: str, way: str) -> None:
    match = matched(plain(CALLS[call]), print_of(WAYS[way](CALLS[call])))
    assert match.similarity > SAME_AUDIO_SIMILARITY + 0.05
    assert 0 <= match.offset_ms <= (150 if way.startswith("AAC") else 50)
    assert match.compared_ms > 2_000


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("moved_ms", [-290, -130, -25, 25, 130, 290])
def test_what_was_put_before_or_cut_off_is_the_offset(call: str, moved_ms: int) -> None:
    sound = np.concatenate([synth.silence(300), CALLS[call]])
    moved = np.concatenate([synth.silence(moved_ms), sound]) if moved_ms > 0 else sound[-8 * moved_ms :]
    match = matched(plain(sound), print_of(synth.encoded(moved, "ulaw")))
    assert match.offset_ms == pytest.approx(moved_ms, abs=50)
    assert match.other_start_ms - match.start_ms == pytest.approx(match.offset_ms, abs=300)


def test_different_calls_are_not_taken_for_each_other() -> None:
    names = ("ivr-000102.ogg", "ivr-000104.flac", "ivr-000110.flac", "ivr-000112.wav", "ivr-000119.flac")
    sounds = [*(sample(name)[-1] for name in names), *(synth.vowels(8_000, seed) for seed in range(6))]
    # All of one length, or they would not be compared; of the calls their ends, where people speak.
    prints = [plain(sound[-48_000:]) for sound in sounds]
    found = [match.similarity for pair in combinations(prints, 2) if (match := compare(*pair, 0))]
    assert len(found) > 40
    assert max(found) < SAME_AUDIO_SIMILARITY - 0.1


def test_two_calls_that_only_ring_are_told_apart_by_where_they_ring() -> None:
    one = plain(rung(0, 23_000, noise=1))
    assert compare(one, plain(rung(0, 23_000, level_dbfs=-20, noise=2))) is not None
    for begun_ms in range(250, 5_000, 250):
        assert compare(one, plain(rung(begun_ms, 23_000, noise=2))) is None


def test_two_calls_that_only_ring_are_told_apart_by_how_long_they_ring() -> None:
    one = plain(rung(0, 23_000, noise=1))
    for ms in (20_500, 22_600, 23_400, 28_000):
        assert compare(one, plain(rung(0, ms, noise=2)), 0) is None


def test_one_announcement_at_two_places_is_no_match() -> None:
    one = plain(announced(7_300, 2_000))
    for later_ms in (-1_500, -500, -200, 200, 500, 1_500):
        assert compare(one, plain(announced(7_300 + later_ms, 2_000 - later_ms))) is None


def test_the_level_makes_no_difference() -> None:
    for sound in CALLS.values():
        loud, soft = plain(sound), plain(sound / 30)
        assert len(loud) == pytest.approx(len(soft), rel=0.05)
        assert matched(loud, soft).similarity > 0.97


def test_the_same_samples_make_the_same_fingerprint() -> None:
    for sound in CALLS.values():
        assert plain(sound) == plain(sound.copy())


def test_a_stereo_recording_is_known_again_when_it_is_mono_or_turned_round() -> None:
    left, right = sample("ivr-000110.flac")
    stereo, turned = (
        print_of(synth.encoded(np.column_stack(sides), "flac")) for sides in ((left, right), (right, left))
    )
    assert stereo == turned
    assert matched(stereo, print_of(synth.encoded((left + right) / 2, "mp3"))).similarity > 0.9


@pytest.mark.parametrize("count", [0, 1, 199, 200, 399, 400, 401, 3_199, 8_000])
def test_the_shortest_recordings_are_never_known_again(count: int) -> None:
    samples = np.resize(np.array([9_000, -9_000, -9_000, 9_000], np.int16), count)
    made = fingerprint([samples], count // 8)
    assert made is None or compare(made, made, 0) is None


def test_where_nothing_sounds_there_is_no_fingerprint() -> None:
    assert fingerprint([np.zeros(80_000, np.int16)], 10_000) is None
    hum = np.rint(synth.tone([50], 10_000, -40) * 32_767).astype(np.int16)
    for silence in (synth.silence(10_000), synth.noise(10_000, -100, 1)):
        assert fingerprint([decode(synth.encoded(silence, "ulaw"), "silence").channels[0]], 10_000) is None
    assert fingerprint([hum, -hum], 10_000) is None


def test_two_lines_with_noise_alone_are_different() -> None:
    one, other = (plain(synth.noise(20_000, -45, seed)) for seed in (1, 2))
    assert compare(one, other) is None


def test_of_a_long_recording_the_first_two_minutes_are_in_it() -> None:
    sound = np.resize(CALLS["a conversation"] + synth.noise(len(CALLS["a conversation"]) / 8, -50, 1), 8 * 150_000)
    other_end = sound.copy()
    other_end[8 * 121_000 :] = 0
    one, other = plain(sound), plain(other_end)
    assert one == other
    assert len(one) < 8_000
    match = matched(one, print_of(synth.encoded(np.concatenate([synth.silence(130), sound]), "gsm")))
    assert match.offset_ms == 150
    assert 118_800 < match.end_ms <= 119_800


def test_what_is_heard_holds_the_fingerprint() -> None:
    file = synth.encoded(CALLS["only ringing"], "gsm")
    hearing = hear(decode(file, "call"), HearingSettings(), SpeechDetector())
    assert hearing.heard.fingerprint == print_of(file)
