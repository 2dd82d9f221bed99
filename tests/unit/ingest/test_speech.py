from pathlib import Path

import numpy as np
import pytest
import soundfile

from examples import synth
from services.ingest.audio.resample import Samples, resampled
from services.ingest.audio.speech import Region, SpeechDetector

AUDIO = Path(__file__).parents[2] / "data" / "audio"


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


def voice(name: str, channel: int = 0) -> Samples:
    samples, rate_hz = soundfile.read(AUDIO / name, dtype="int16", always_2d=True)
    return resampled(np.ascontiguousarray(samples[:, channel]), rate_hz, 8_000)


def pcm(sound: synth.Sound) -> Samples:
    return np.rint(sound * 32_767).astype(np.int16)


def total(regions: list[Region]) -> int:
    return sum(end - start for start, end in regions)


def test_a_spoken_sentence_is_found_where_it_is(detector: SpeechDetector) -> None:
    sentence = voice("whatstheweatherlike.wav")
    (alone,) = detector.regions([sentence])
    assert 700 < total(alone) < 2_000
    (later,) = detector.regions([np.concatenate([np.zeros(40_000, np.int16), sentence, np.zeros(16_000, np.int16)])])
    assert [start - 5_000 for start, _ in later] == pytest.approx([start for start, _ in alone], abs=100)


def test_ringing_noise_and_silence_are_not_speech(detector: SpeechDetector) -> None:
    sounds = [synth.ringback(3), synth.noise(5_000, -40, 1), synth.silence(5_000), synth.dtmf("0612345678")]
    assert all(total(regions) < 200 for regions in detector.regions([pcm(sound) for sound in sounds]))


def test_many_channels_side_by_side_give_what_each_gives_alone(detector: SpeechDetector) -> None:
    channels = [
        voice("stereo_diarization.wav", 0),
        np.zeros(0, np.int16),
        voice("whatstheweatherlike.wav"),
        np.zeros(100, np.int16),
        voice("stereo_diarization.wav", 1),
    ]
    together = detector.regions(channels)
    assert together == [detector.regions([channel])[0] for channel in channels]
    assert together[0] != together[4]


def test_no_channels_give_no_regions(detector: SpeechDetector) -> None:
    assert detector.regions([]) == []
