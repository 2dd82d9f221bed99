import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from services.ingest.audio.resample import Resampler, resampled

SOUND = np.random.default_rng(1).integers(-8_000, 8_000, 50_000).astype(np.int16)


@pytest.mark.parametrize(
    ("source_hz", "target_hz"), [(16_000, 8_000), (44_100, 16_000), (11_025, 16_000), (48_000, 16_000)]
)
def test_resampling_in_pieces_gives_what_resampling_at_once_gives(source_hz: int, target_hz: int) -> None:
    divisor = np.gcd(source_hz, target_hz)
    at_once = resample_poly(SOUND.astype(np.float64), target_hz // divisor, source_hz // divisor)
    in_pieces = resampled(SOUND, source_hz, target_hz)
    assert len(in_pieces) == len(at_once)
    assert np.abs(in_pieces - at_once).max() < 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9_000), max_size=12))
def test_the_size_of_the_pieces_makes_no_difference(sizes: list[int]) -> None:
    resampler = Resampler(6_000, 16_000)
    pieces, start = [], 0
    for size in [*sizes, len(SOUND)]:
        pieces.append(resampler.push(SOUND[start : start + size]))
        start += size
    output = np.concatenate([*pieces, resampler.finish()])
    assert np.array_equal(output, resampled(SOUND, 6_000, 16_000))


def test_a_long_sound_that_lies_in_a_file_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    held = resampled(SOUND, 16_000, 8_000)
    monkeypatch.setattr("services.ingest.audio.resample._MOST_HELD_BYTES", 1_000)
    assert np.array_equal(resampled(SOUND, 16_000, 8_000), held)


def test_a_sound_at_the_wanted_rate_is_left_alone() -> None:
    assert resampled(SOUND, 8_000, 8_000) is SOUND
