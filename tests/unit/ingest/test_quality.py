"""Level, noise, clipping and bandwidth of sounds of which they are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from examples import synth
from ringtrue.messages import ChannelSound
from services.ingest.audio.levels import cell_levels
from services.ingest.audio.quality import channel_sound, warnings_of
from services.ingest.audio.resample import resampled
from services.ingest.audio.speech import Region

AUDIO = Path(__file__).parents[2] / "data" / "audio"


def measured(
    sound: synth.Sound, speech: list[Region], rate_hz: int = 8_000, tones: list[Region] | None = None
) -> ChannelSound:
    samples = np.rint(np.clip(sound, -1, 1) * 32_767).astype(np.int16)
    levels = cell_levels(resampled(samples, rate_hz, 8_000))
    return channel_sound(0, samples, rate_hz, levels, speech, tones or [])


def spoken(snr_db: float, level_dbfs: float = -20.0) -> tuple[synth.Sound, list[Region]]:
    """Voice-like sounds of that RMS level between pauses, under noise."""
    pieces, regions, at = list[synth.Sound](), list[Region](), 0
    for seed in range(6):
        voice = synth.vowels(1_500, seed)
        voice *= 10 ** ((level_dbfs - 3.0) / 20) / np.sqrt(np.mean(voice**2))  # dBFS are relative to a sine's RMS
        pieces += [voice, synth.silence(1_000)]
        regions.append((at, at + 1_500))
        at += 2_500
    sound = np.concatenate(pieces)
    return sound + synth.noise(len(sound) / 8, level_dbfs - 3.0 - snr_db, 9), regions


@pytest.mark.parametrize("snr_db", [5, 10, 20, 30])
@pytest.mark.parametrize("level_dbfs", [-15.0, -30.0])
def test_level_noise_and_snr_are_within_2_db_of_the_truth(snr_db: float, level_dbfs: float) -> None:
    sound = measured(*spoken(snr_db, level_dbfs))
    assert sound.speech_dbfs == pytest.approx(level_dbfs + 10 * np.log10(1 + 10 ** (-snr_db / 10)), abs=1)
    assert sound.noise_dbfs == pytest.approx(level_dbfs - snr_db, abs=2)
    assert sound.snr_db == pytest.approx(snr_db, abs=2)


def test_ringing_is_neither_speech_nor_noise() -> None:
    talk, regions = spoken(20)
    rings = synth.ringback(2, level_dbfs=-3)
    later = [(start + 10_000, end + 10_000) for start, end in regions]
    alone = measured(talk, regions)
    rung = np.concatenate([rings + synth.noise(10_000, -43, 4), talk])
    after = measured(rung, later, tones=[(0, 1_700), (5_000, 6_700)])
    assert after.noise_dbfs == pytest.approx(alone.noise_dbfs, abs=1)
    assert after.speech_dbfs == pytest.approx(alone.speech_dbfs, abs=0.2)


def test_without_speech_there_is_no_level_of_it() -> None:
    sound = measured(synth.noise(5_000, -50, 1), [])
    assert (sound.speech_dbfs, sound.snr_db, sound.bandwidth_hz, sound.speech_ms) == (None, None, None, 0)
    assert sound.noise_dbfs == pytest.approx(-47, abs=1)


def test_tones_from_end_to_end_leave_no_noise_floor() -> None:
    assert measured(synth.tone([425], 2_000), [], tones=[(0, 2_000)]).noise_dbfs is None


def test_an_empty_channel_and_digital_silence_can_be_measured() -> None:
    assert measured(np.zeros(0), []).noise_dbfs is None
    silent = measured(np.zeros(8_000), [])
    assert (silent.noise_dbfs, silent.clipped_share) == (-96.0, 0.0)


@pytest.mark.parametrize("codec", ["pcm16", "ulaw", "alaw"])
def test_clipping_is_found_where_it_is_and_grows_with_it(codec: str) -> None:
    voice = soundfile.read(AUDIO / "whatstheweatherlike.wav")[0][6_000:26_000:2]
    all_of_it = [(0, len(voice) // 8)]
    shares = []
    for gain in (0.8, 4, 12):
        for lowered in (1.0, 0.5):  # the level may be lowered afterwards
            sound = lowered * np.clip(gain * voice / np.abs(voice).max(), -1, 1)
            shares.append(measured(synth.through(codec, sound), all_of_it))
    assert [sound.clipped_share for sound in shares[:2]] == [0, 0]
    assert all(sound.clipped_share > 0.1 for sound in shares[2:])
    assert shares[2].clipped_share < shares[4].clipped_share
    assert "clipped" in warnings_of(shares[4:5])[0]


def test_a_wave_that_is_flat_at_the_very_end_is_found_and_the_shortest_sounds_can_be_measured() -> None:
    flat = np.concatenate([synth.tone([300], 15, -20), np.full(40, 0.9)])
    assert measured(flat, [(0, 20)]).clipped_share == 1
    for count in range(1, 6):
        assert measured(np.full(count, 0.9), [(0, 1)]).clipped_share in (0, 1)


def test_loud_tones_and_quiet_lines_are_not_clipped() -> None:
    for sound in (synth.ringback(2, level_dbfs=-0.5), synth.tone([200], 2_000, 0.0), synth.noise(2_000, -80, 1)):
        for codec in ("pcm16", "ulaw", "alaw"):
            assert measured(synth.through(codec, sound), []).clipped_share == 0


def test_an_8_khz_recording_that_was_brought_to_16_khz_is_known_by_its_bandwidth() -> None:
    samples, rate_hz = soundfile.read(AUDIO / "stereo_diarization.wav")
    wide = samples[:, 0]
    narrow = signal.resample_poly(signal.resample_poly(wide, 1, 2), 2, 1)
    through_telephone = signal.resample_poly(synth.through("ulaw", signal.resample_poly(wide, 1, 2)), 2, 1)
    all_of_it = [(0, 5_000)]
    assert (measured(wide, all_of_it, rate_hz).bandwidth_hz or 0) > 7_000
    for brought in (narrow, through_telephone):  # the filters' slopes show above 4 kHz
        assert 3_500 <= (measured(brought, all_of_it, rate_hz).bandwidth_hz or 0) <= 4_750


def test_a_telephone_band_is_measured_under_noise_too() -> None:
    talk, regions = spoken(60)
    band = signal.butter(8, (300, 2_500), "bandpass", fs=8_000, output="sos")
    filtered = signal.sosfilt(band, talk) + synth.noise(len(talk) / 8, -50, 5)
    assert 2_250 <= (measured(filtered, regions).bandwidth_hz or 0) <= 3_250


def test_quiet_and_noisy_speech_is_said_with_its_channel_where_there_are_two() -> None:
    quiet, noisy, good = (measured(*spoken(*values)) for values in ((30, -50.0), (5, -20.0), (30, -20.0)))
    assert ["very quiet" in warning for warning in warnings_of([quiet])] == [True]
    assert warnings_of([good]) == []
    (warning,) = warnings_of([good, replace(noisy, channel=1)])
    assert warning.startswith("channel 1: the line is noisy")
