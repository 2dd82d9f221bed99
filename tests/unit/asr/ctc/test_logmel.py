"""The front end against the reference extractor: every row of its numerics."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import SeamlessM4TFeatureExtractor

from services.asr.audio import resample
from services.asr.ctc import logmel


def telephone_like(seconds: float, seed: int) -> NDArray[np.float32]:
    """A buzz with formant-like partials, pauses and a noise floor, at 8 kHz through mu-law's grain, then upsampled."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * 8_000)) / 8_000
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time_s + seed)
    phase = 2 * np.pi * np.cumsum(pitch) / 8_000
    buzz = sum(np.sin(k * phase) * rng.uniform(0.1, 1) / k for k in range(1, 25))
    loudness = np.clip(np.sin(2 * np.pi * 1.3 * time_s), 0, 1)
    wave = 0.2 * buzz * loudness + 1e-3 * rng.standard_normal(len(time_s))
    return resample((np.round(wave * 2048) / 2048).astype(np.float32), 8_000)


@pytest.mark.parametrize("stride", [2, 3, 4])
def test_features_are_the_reference_extractors_padding_and_odd_frames_included(stride: int) -> None:
    waves = [telephone_like(seconds, seed) for seed, seconds in enumerate((0.5, 3.21, 7.0, 25.0))]
    waves += [waves[0][:-160], waves[1][:-77], waves[1][:-400], waves[1][:-560]]
    swells = np.sin(np.arange(30_000) / 900) ** 2 * 0.3
    waves += [(np.random.default_rng(2).standard_normal(30_000) * swells).astype(np.float32)]  # up to 8 kHz
    extractor = SeamlessM4TFeatureExtractor(padding_value=1, stride=stride)
    stack = logmel.Stack(stride, padding=1)
    for wave in waves:
        reference = extractor(wave, sampling_rate=16_000, return_tensors="pt")
        ours = logmel.log_mel(wave)
        stacked = stack.stacked(ours)
        assert stacked.shape == reference["input_features"][0].shape
        assert float((stacked - reference["input_features"][0]).abs().max()) <= 3e-6
        assert len(stacked) == stack.positions(logmel.frames(len(wave)))
        assert int(reference["attention_mask"].sum()) == stack.kept(len(ours))


def test_digital_silence_is_exactly_zero() -> None:
    assert float(logmel.log_mel(np.zeros(16_000, np.float32)).abs().max()) == 0


@pytest.mark.parametrize(
    ("samples", "frames", "positions"), [(559, 0, 0), (560, 2, 1), (719, 2, 1), (720, 3, 2), (16_000, 98, 49)]
)
def test_frames_and_positions_count_an_odd_last_frame(samples: int, frames: int, positions: int) -> None:
    assert logmel.frames(samples) == frames
    assert logmel.Stack().positions(frames) == positions
    if frames:
        heard = logmel.log_mel(np.random.default_rng(1).standard_normal(samples).astype(np.float32))
        assert heard.shape == (frames, 80)
        assert torch.isfinite(heard).all()
        assert logmel.Stack().stacked(heard).shape == (positions, 160)


@pytest.mark.parametrize("samples", [0, 399, 559])
def test_too_short_audio_is_refused_rather_than_nan(samples: int) -> None:
    with pytest.raises(ValueError, match="at least 560"):
        logmel.log_mel(np.zeros(samples, np.float32))


def test_resampling_keeps_the_tone_and_the_length() -> None:
    tone = np.sin(2 * np.pi * 425 * np.arange(8_000) / 8_000).astype(np.float32)
    up = resample(tone, 8_000)
    assert up.dtype == np.float32
    assert len(up) == 16_000
    expected = np.sin(2 * np.pi * 425 * np.arange(16_000) / 16_000)
    assert float(np.abs(up - expected)[500:-500].max()) < 2e-3
    assert len(resample(np.zeros(44_100, np.float32), 44_100)) == 16_000
    assert resample(tone, 16_000) is tone
    with pytest.raises(ValueError, match="positive"):
        resample(tone, 0)
