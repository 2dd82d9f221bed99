import io
import itertools

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from examples import synth
from services.ingest.audio.levels import cell_levels
from services.ingest.audio.segments import MOST_SEGMENT_MS, Span, encode_flac, plan_segments
from services.ingest.audio.speech import Region


def plan(
    sound: synth.Sound, speech: list[Region], tones: list[Region] | None = None, *, whole: bool = False
) -> tuple[Span, ...]:
    samples = np.rint(sound * 32_767).astype(np.int16)
    duration_ms = len(samples) // 8
    return plan_segments(cell_levels(samples), speech, tones or [], duration_ms=duration_ms, whole=whole)


def talk(ms: float, level_dbfs: float = -15.0, seed: int = 1) -> synth.Sound:
    """A sound that never pauses and is never steady."""
    return (
        synth.noise(ms, level_dbfs, seed)
        * np.repeat(np.random.default_rng(seed).uniform(0.2, 1, -(-round(ms * 8) // 800)), 800)[: round(ms * 8)]
    )


def covered(spans: tuple[Span, ...], start_ms: int, end_ms: int) -> bool:
    return set(range(start_ms, end_ms, 20)) <= {ms for span in spans for ms in range(span.start_ms, span.end_ms, 20)}


def test_silence_and_steady_noise_give_no_segments() -> None:
    for sound in (synth.silence(20_000), synth.noise(20_000, -50, 1), synth.noise(20_000, -30, 1), np.zeros(0)):
        assert plan(sound, []) == ()
        assert plan(sound, [], whole=True) == ()


def test_a_click_is_no_reason_for_a_segment() -> None:
    sound = synth.noise(10_000, -60, 1)
    sound[40_000:40_100] += 0.5
    assert plan(sound, [], whole=True) == ()


def test_what_rises_above_the_noise_is_kept_although_no_speech_was_detected() -> None:
    sound = np.concatenate([synth.noise(5_000, -60, 1), talk(400, -40), synth.noise(5_000, -60, 2)])
    (span,) = plan(sound, [])
    assert span.start_ms <= 5_000 <= 5_400 <= span.end_ms
    assert span.end_ms - span.start_ms < 1_000


def test_detected_speech_is_kept_although_it_does_not_rise_above_the_noise() -> None:
    assert covered(plan(synth.noise(10_000, -50, 1), [(4_000, 4_500)]), 4_000, 4_500)


def test_a_long_run_at_the_noise_floor_is_skipped_unless_the_call_is_cut_whole() -> None:
    sound = np.concatenate([talk(3_000), synth.noise(6_000, -60, 1), talk(3_000, seed=2)])
    speech = [(0, 3_000), (9_000, 12_000)]
    assert [(span.start_ms, span.end_ms) for span in plan(sound, speech)] == [(0, 3_200), (8_800, 12_000)]
    assert [(span.start_ms, span.end_ms) for span in plan(sound, [], whole=True)] == [(0, 12_000)]


def test_a_short_pause_stays_inside_its_segment() -> None:
    sound = np.concatenate([talk(3_000), synth.noise(1_200, -60, 1), talk(3_000, seed=2)])
    assert len(plan(sound, [(0, 3_000), (4_200, 7_200)])) == 1


@pytest.mark.parametrize("whole", [False, True])
def test_tones_are_left_out_and_what_is_between_them_is_kept(whole: bool) -> None:
    rings = [(3_000, 4_700), (8_000, 9_700)]
    sound = np.concatenate([talk(3_000), synth.ringback(2), talk(2_000, seed=2)])
    sound[6_000 * 8 : 7_000 * 8] = talk(1_000, seed=3)
    spans = plan(sound, [(0, 3_000), (6_000, 7_000), (13_000, 15_000)], rings, whole=whole)
    assert covered(spans, 0, 2_900)
    assert covered(spans, 6_000, 7_000)
    assert covered(spans, 13_000, 15_000)
    for span in spans:
        assert all(span.end_ms <= start or span.start_ms >= end for start, end in rings)


def test_ringing_alone_gives_no_segments_through_any_codec() -> None:
    for codec in synth.CODECS:
        line = synth.through(codec, np.concatenate([synth.silence(300), synth.ringback(3)]))
        rings = [(300 + 5_000 * ring, 2_000 + 5_000 * ring) for ring in range(3)]
        assert plan(line, [], rings, whole=True) == ()


def test_a_long_stretch_is_cut_in_its_pause() -> None:
    sound = np.concatenate([talk(21_000), synth.noise(400, -60, 1), talk(12_000, seed=2)])
    first, second = plan(sound, [(0, 21_000), (21_400, 33_400)])
    assert 21_000 <= first.end_ms <= 21_400
    assert (second.start_ms, second.end_ms, second.overlap_ms) == (first.end_ms, 33_400, 0)


def test_of_several_long_pauses_the_one_nearest_to_the_limit_is_taken() -> None:
    pause = synth.noise(600, -60, 1)
    sound = np.concatenate([talk(15_000), pause, talk(7_000, seed=2), pause, talk(9_000, seed=3)])
    first, _ = plan(sound, [(0, 15_000), (15_600, 22_600), (23_200, 32_200)])
    assert 22_600 <= first.end_ms <= 23_200


def test_where_no_pause_offers_itself_neighbours_overlap_and_say_so() -> None:
    spans = plan(talk(60_000), [(0, 60_000)])
    assert len(spans) == 3
    assert [span.overlap_ms for span in spans] == [0, 500, 500]
    for before, span in itertools.pairwise(spans):
        assert 19_000 < before.end_ms - before.start_ms <= 25_000
        assert span.start_ms == before.end_ms - 500


def test_the_overlap_lies_around_the_quietest_moment_so_that_the_words_beside_it_are_whole() -> None:
    sound = 0.5 * talk(30_000) + synth.noise(30_000, -25, 3)
    sound[22_000 * 8 : 22_080 * 8] *= 0.3  # too short for a pause
    first, second = plan(sound, [(0, 30_000)])
    assert second.start_ms < 22_000 - 180
    assert first.end_ms > 22_080 + 180


def test_a_pause_that_is_as_loud_as_the_speech_is_no_place_to_cut() -> None:
    first, second, *_ = plan(talk(40_000), [(0, 20_000), (20_300, 40_000)])
    assert (first.end_ms > 20_300, second.overlap_ms) == (True, 500)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_spoken_is_lost_and_no_segment_is_too_long_or_holds_a_tone(data: st.DataObject) -> None:
    apart = data.draw(st.sampled_from([1, 10, 100]))
    ends = sorted(data.draw(st.sets(st.integers(0, 45), min_size=2, max_size=14)))
    regions = [(start * apart * 20, end * apart * 20) for start, end in zip(ends[::2], ends[1::2], strict=False)]
    split = data.draw(st.integers(0, len(regions)))
    order = data.draw(st.permutations(regions))
    speech, tones = sorted(order[:split]), sorted(order[split:])
    levels = np.full(4_600, -70, np.float32)
    for start, end in speech:
        levels[start // 20 : end // 20] = data.draw(st.sampled_from([-60, -30, -12]))
    spans = plan_segments(levels, speech, tones, duration_ms=92_000, whole=data.draw(st.booleans()))
    beside_tones = {ms for start, end in tones for ms in range(start - 60, end + 60, 20)}
    kept = [ms for span in spans for ms in range(span.start_ms, span.end_ms, 20)]
    assert {ms for start, end in speech for ms in range(start, end, 20)} - beside_tones <= set(kept)
    assert not beside_tones & set(kept)
    for before, span in zip((None, *spans), spans, strict=False):
        assert 0 < span.end_ms - span.start_ms <= 25_000
        assert span.overlap_ms == (max(0, before.end_ms - span.start_ms) if before else 0)


def test_flac_holds_exactly_what_went_in_and_stays_under_900_kb_whatever_it_is() -> None:
    worst = np.random.default_rng(1).integers(-32_768, 32_767, MOST_SEGMENT_MS * 16).astype(np.int16)
    flac = encode_flac(worst, 16_000)
    assert len(flac) < 900_000
    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
    assert rate_hz == 16_000
    assert np.array_equal(samples, worst)
