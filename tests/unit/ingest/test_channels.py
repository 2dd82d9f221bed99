"""What two channels are to each other, from sounds that are put on them."""

from pathlib import Path

import numpy as np
import pytest

from examples import synth
from ringtrue.messages import Ring
from services.ingest.audio.channels import Layout, are_swapped, called_channel, is_copy, tone_channel
from services.ingest.audio.decode import decode
from services.ingest.audio.hearing import Hearing, HearingSettings, hear_many
from services.ingest.audio.resample import Samples
from services.ingest.audio.speech import SpeechDetector
from services.ingest.audio.tones import Tones

AUDIO = Path(__file__).parents[2] / "data" / "audio"


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


@pytest.fixture(scope="module")
def speech() -> synth.Sound:
    file = AUDIO / "whatstheweatherlike.wav"
    return np.tile(decode(file.read_bytes(), "voice").channels[0][::2] / 32_768, 2)


def heard(
    detector: SpeechDetector, *channels: synth.Sound, codec: str = "pcm16", agent_channel: int | None = None
) -> Hearing:
    recording = decode(synth.encoded(np.stack(channels, 1), codec), "call")
    return hear_many([recording], HearingSettings(), detector, [agent_channel])[0]


def pcm(sound: synth.Sound) -> Samples:
    return np.rint(np.clip(sound, -1, 1) * 32_767).astype(np.int16)


def line(ms: float, seed: int) -> synth.Sound:
    return synth.noise(ms, -65, seed)


def call(speech: synth.Sound) -> tuple[synth.Sound, synth.Sound]:
    """A technician who speaks once it has rung, and what he hears."""
    ringing = synth.ringback(2)
    ms = (len(ringing) + 2 * len(speech)) / 8
    agent = np.concatenate([np.zeros(len(ringing)), speech, np.zeros(len(speech))]) + line(ms, 1)
    called = np.concatenate([ringing, np.zeros(len(speech)), speech]) + line(ms, 2)
    return agent, called


def test_a_mono_recording_is_called_so(detector: SpeechDetector, speech: synth.Sound) -> None:
    message = heard(detector, speech).heard
    assert (message.layout, message.called_channel, message.swapped) == ("mono", None, None)
    assert [sound.channel for sound in message.sounds or ()] == [0]


@pytest.mark.parametrize("codec", ["pcm16", "ulaw", "flac", "vorbis", "opus", "mp3"])
def test_a_copy_is_known_through_any_codec_whatever_its_level_and_polarity(codec: str, speech: synth.Sound) -> None:
    for gain in (1.0, 0.3) if codec == "vorbis" else (1.0, 0.3, -1.0):
        both = np.stack([speech, gain * speech], 1)
        recording = decode(synth.encoded(both, codec), "call")
        assert is_copy(*recording.channels), (codec, gain)


def test_a_copy_is_heard_once(detector: SpeechDetector, speech: synth.Sound) -> None:
    hearing = heard(detector, speech, 0.5 * speech)
    assert hearing.heard.layout == "dual_mono"
    assert {part.channel for part in hearing.parts} == {0}
    assert len(hearing.heard.sounds or ()) == 1


def test_one_word_that_only_one_channel_holds_makes_two_speakers(speech: synth.Sound) -> None:
    loud = np.concatenate([synth.ringback(5, level_dbfs=-10), speech])
    word = np.zeros(len(loud))
    word[20_000:22_400] = speech[4_000:6_400] * 0.1  # 0.3 s between two rings, some 30 dB below them
    assert is_copy(pcm(loud), pcm(loud))
    assert not is_copy(pcm(loud), pcm(loud + word))


def test_unlike_sounds_and_silences_are_no_copies_but_two_silent_channels_are() -> None:
    one, other = pcm(synth.noise(2_000, -40, 1)), pcm(synth.noise(2_000, -40, 2))
    silent = np.zeros(16_000, np.int16)
    assert not is_copy(one, other)
    assert not is_copy(one, silent)
    assert not is_copy(silent, one)
    assert is_copy(silent, silent)
    assert is_copy(silent[:0], silent[:0])


@pytest.mark.parametrize("dead", [0, 1])
@pytest.mark.parametrize("level_dbfs", [None, -60.0, -40.0])
def test_a_leg_of_silence_or_steady_noise_is_dead_and_people_are_told(
    detector: SpeechDetector, speech: synth.Sound, dead: int, level_dbfs: float | None
) -> None:
    ms = len(speech) / 8
    nothing = np.zeros(len(speech)) if level_dbfs is None else synth.noise(ms, level_dbfs, 3)
    channels = [nothing, speech] if dead == 0 else [speech, nothing]
    hearing = heard(detector, *channels)
    assert hearing.heard.layout == "dead_leg"
    assert [f"channel {dead} holds no sound" in warning for warning in hearing.heard.warnings].count(True) == 1
    assert {part.channel for part in hearing.parts} == {1 - dead}


def test_a_single_word_on_a_leg_keeps_it_alive(detector: SpeechDetector, speech: synth.Sound) -> None:
    other = np.zeros(len(speech))
    other[4_000:8_000] = speech[4_000:8_000] * 0.2
    hearing = heard(detector, speech + line(len(speech) / 8, 1), other + line(len(speech) / 8, 2))
    assert hearing.heard.layout == "two_speakers"
    assert {part.channel for part in hearing.parts} == {0, 1}


def test_two_channels_without_any_sound_are_undecided(detector: SpeechDetector) -> None:
    hearing = heard(detector, line(3_000, 1), line(3_000, 2))
    assert (hearing.heard.layout, hearing.parts, hearing.heard.warnings) == ("undecided", (), ())


def test_the_call_s_rings_are_those_of_the_channel_with_most_and_a_doubtful_zero_is_not_covered() -> None:
    def tones(rings: int, confidence: float) -> Tones:
        ring = Ring(start_ms=0, end_ms=1_700, frequency_hz=425.0, confidence=0.99)
        return Tones(rings=(ring,) * rings, ring_confidence=confidence, voicemail_tone=None, other=())

    assert tone_channel([tones(0, 0.99), tones(2, 0.5)]) == 1
    assert tone_channel([tones(2, 0.6), tones(2, 0.99)]) == 1
    assert tone_channel([tones(0, 0.99), tones(0, 0.3)]) == 1


def test_ringing_tells_on_which_channel_the_called_party_is(detector: SpeechDetector, speech: synth.Sound) -> None:
    agent, called = call(speech)
    assert heard(detector, agent, called).heard.called_channel == 1
    assert heard(detector, called, agent).heard.called_channel == 0


def test_a_swap_against_the_sidecar_is_found_and_said(detector: SpeechDetector, speech: synth.Sound) -> None:
    agent, called = call(speech)
    as_said = heard(detector, agent, called, agent_channel=0).heard
    assert (as_said.layout, as_said.swapped, as_said.warnings) == ("two_speakers", False, ())
    swapped = heard(detector, agent, called, agent_channel=1).heard
    assert swapped.swapped is True
    assert "other way round" in swapped.warnings[0]


def test_where_nothing_tells_a_swap_is_undecided(detector: SpeechDetector, speech: synth.Sound) -> None:
    agent, called = call(speech)
    assert heard(detector, agent, called).heard.swapped is None  # the sidecar does not say
    both = np.concatenate([synth.ringback(2), speech])
    echo = both + np.concatenate([np.zeros(len(both) - len(speech)), 0.5 * speech[::-1]])
    on_both = heard(detector, both, echo, agent_channel=0).heard  # ringing on both channels
    assert (on_both.layout, on_both.swapped) == ("two_speakers", None)
    mixed = heard(detector, called, np.zeros(len(called)), agent_channel=0).heard  # all of it on one channel
    assert (mixed.layout, mixed.swapped) == ("dead_leg", None)
    assert called_channel(Layout.MONO, []) is None
    assert are_swapped(None, 0) is None
