import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from examples import synth
from services.ingest.audio.decode import decode
from services.ingest.audio.hearing import Hearing, HearingSettings, hear, hear_many
from services.ingest.audio.speech import SpeechDetector

AUDIO = Path(__file__).parents[2] / "data" / "audio"
SETTINGS = HearingSettings()


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


def heard(detector: SpeechDetector, sound: synth.Sound, codec: str = "ulaw") -> Hearing:
    return hear(decode(synth.encoded(sound, codec), "call"), SETTINGS, detector)


def spoken() -> synth.Sound:
    file = AUDIO / "whatstheweatherlike.wav"
    return decode(file.read_bytes(), "voice").channels[0][::2] / 32_768


def test_a_call_is_heard_from_ringing_to_voicemail(detector: SpeechDetector) -> None:
    line = [synth.silence(300), synth.ringback(3), spoken(), synth.silence(300), synth.beep(), synth.silence(1_000)]
    hearing = heard(detector, np.concatenate(line))
    message = hearing.heard
    assert (message.codec, message.rate_hz, message.channels) == ("WAV/ULAW", 8_000, 1)
    assert (message.ring_count, message.voicemail_tone) == (3, True)
    assert message.ring_confidence is not None
    assert message.ring_confidence >= 0.95
    assert message.last_ring_end_ms == pytest.approx(12_000, abs=40)
    assert [tone.kind for tone in message.tones] == ["voicemail"]
    assert 600 < message.speech_ms < 2_000
    assert [(part.index, part.total, part.channel) for part in hearing.parts] == [(0, 1, 0)]


def test_a_part_holds_the_very_samples_of_its_place(detector: SpeechDetector) -> None:
    recording = decode(synth.encoded(np.concatenate([synth.ringback(2), spoken()]), "flac"), "call")
    hearing = hear(recording, SETTINGS, detector)
    (part,) = hearing.parts
    samples, rate_hz = soundfile.read(io.BytesIO(part.flac), dtype="int16")
    assert rate_hz == hearing.rate_hz == 8_000
    assert np.array_equal(samples, recording.channels[0][part.start_ms * 8 : part.end_ms * 8])


@pytest.mark.parametrize("codec", sorted(synth.CODECS))
def test_a_call_of_nothing_but_ringing_has_no_parts(detector: SpeechDetector, codec: str) -> None:
    line = synth.with_noise(np.concatenate([synth.silence(300), synth.ringback(5)]), 20, 3)
    hearing = heard(detector, line, codec)
    assert (hearing.heard.ring_count, hearing.heard.speech_ms, hearing.parts) == (5, 0, ())


def test_a_murmur_that_the_detector_does_not_hear_is_transcribed(detector: SpeechDetector) -> None:
    murmurs = [synth.silence(500), synth.vowels(800, 3, -35), synth.silence(3_000), synth.vowels(800, 4, -35)]
    line = np.concatenate([synth.ringback(2), *murmurs])
    hearing = heard(detector, line + synth.noise(len(line) / 8, -60, 1))
    assert hearing.heard.speech_ms < 2_000
    (part,) = hearing.parts  # whole, the pause between them included
    assert part.start_ms <= 10_600
    assert part.end_ms >= 15_000


def test_a_beep_is_left_out_but_not_one_inside_of_a_word(detector: SpeechDetector) -> None:
    voice = spoken()
    beep = synth.beep(level_dbfs=-9)
    alone = heard(detector, np.concatenate([synth.ringback(2), voice, synth.silence(300), beep, synth.silence(300)]))
    inside = np.concatenate([synth.ringback(2), voice[:8_000], beep, voice[8_000:], synth.silence(300)])
    vowel = heard(detector, inside)
    (tone,) = alone.heard.tones
    assert not any(part.start_ms < tone.end_ms and tone.start_ms < part.end_ms for part in alone.parts)
    assert any(part.start_ms <= 11_000 and part.end_ms >= 11_300 for part in vowel.parts)


def test_of_two_channels_each_is_cut_by_itself_and_rings_count_where_they_are(detector: SpeechDetector) -> None:
    voice, ringing = spoken(), synth.ringback(2)
    left = np.concatenate([np.zeros(len(voice)), ringing, np.zeros(len(voice))])
    right = np.concatenate([voice, np.zeros(len(ringing)), voice])
    for channels, ring_channel in ((np.stack([left, right], 1), 0), (np.stack([right, left], 1), 1)):
        hearing = heard(detector, channels)
        assert (hearing.heard.ring_count, hearing.tone_channel) == (2, ring_channel)
        assert {part.channel for part in hearing.parts} == {1 - ring_channel}
        assert [part.index for part in hearing.parts] == list(range(len(hearing.parts)))
        assert len({part.total for part in hearing.parts}) == 1


def test_speech_over_the_other_channel_s_ringing_is_kept(detector: SpeechDetector) -> None:
    ringing = synth.ringback(1)
    talking = np.concatenate([spoken(), spoken(), spoken()])[: len(ringing)]
    hearing = heard(detector, np.stack([ringing[: len(talking)], talking], 1))
    assert (hearing.heard.ring_count, {part.channel for part in hearing.parts}) == (1, {1})
    assert min(part.start_ms for part in hearing.parts) < 1_000


def test_a_mono_call_recorded_as_stereo_is_cut_once(detector: SpeechDetector) -> None:
    voice = spoken()
    hearing = heard(detector, np.stack([voice, 0.5 * voice], 1))
    assert hearing.heard.channels == 2
    assert {part.channel for part in hearing.parts} == {0}


def test_two_speakers_on_two_channels_are_both_kept(detector: SpeechDetector) -> None:
    hearing = hear(decode((AUDIO / "stereo_diarization.wav").read_bytes(), "call"), SETTINGS, detector)
    assert hearing.rate_hz == 16_000
    assert {part.channel for part in hearing.parts} == {0, 1}


def test_recordings_heard_together_are_heard_as_each_alone(detector: SpeechDetector) -> None:
    sounds = [synth.ringback(2), np.concatenate([synth.ringback(1), spoken()]), spoken(), synth.silence(50)]
    recordings = [decode(synth.encoded(sound, "alaw"), "call") for sound in sounds]
    assert hear_many(recordings, SETTINGS, detector) == [hear(one, SETTINGS, detector) for one in recordings]


def test_what_was_odd_about_a_file_is_said_in_words(detector: SpeechDetector) -> None:
    data = synth.encoded(synth.ringback(2), "ulaw")
    hearing = hear(decode(data[: len(data) // 2], "call"), SETTINGS, detector)
    assert [("ends before" in warning) for warning in hearing.heard.warnings] == [True]


def test_a_count_is_unsure_when_the_file_broke_off(detector: SpeechDetector) -> None:
    whole = synth.encoded(synth.ringback(6), "ulaw")
    cut = hear(decode(whole[: len(whole) // 2], "call"), SETTINGS, detector).heard
    assert cut.ring_count is not None
    assert cut.ring_count < 6
    assert cut.ring_confidence == 0.5


def test_a_segment_length_that_would_not_fit_a_message_is_refused() -> None:
    with pytest.raises(ValueError, match=r"60000.*27000"):
        HearingSettings(max_segment_ms=60_000)
