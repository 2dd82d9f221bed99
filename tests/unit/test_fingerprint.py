"""Fingerprints as bytes, and two of them laid over each other."""

import random
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.fingerprint import BITS, FRAME_MS, MOST_FRAMES, VERSION, Fingerprint, Match, compare

LONG_MS = 20_000


def made(seed: int = 1, *, duration_ms: int = LONG_MS, at: int = 20, frames: int = 200) -> bytes:
    """Sound with chance's changes in so many frames from one on."""
    chance = random.Random(seed)
    sounding = (1 << frames) - 1
    clear = [chance.getrandbits(frames) for _ in range(BITS)]
    rising = [plane & chance.getrandbits(frames) for plane in clear]
    return of(duration_ms, sounding << at, [plane << at for plane in clear], [plane << at for plane in rising])


def of(duration_ms: int, sounding: int, clear: list[int], rising: list[int], heard: int | None = None) -> bytes:
    def packed(plane: int) -> bytes:
        return plane.to_bytes(MOST_FRAMES // 8, "little")

    return bytes(
        Fingerprint.of(
            duration_ms,
            packed(sounding if heard is None else heard),
            packed(sounding),
            [packed(plane) for plane in clear],
            [packed(plane) for plane in rising],
        )
    )


def test_a_fingerprint_is_like_itself_throughout() -> None:
    assert compare(made(), made()) == Match(
        similarity=1.0,
        offset_ms=0,
        compared_ms=10_000,
        start_ms=800,
        end_ms=10_800,
        other_start_ms=800,
        other_end_ms=10_800,
    )


def test_different_sound_at_the_same_place_is_no_match() -> None:
    assert compare(made(1), made(2)) is None
    alike = compare(made(1), made(2), least_similarity=0)
    assert alike is not None
    # Half of the bits are clear, half of those in the other too, and half of these are equal by chance.
    assert alike.similarity == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("longer_ms", [60, 200, 300])
def test_what_an_encoder_puts_before_the_sound_moves_it_by_no_more(longer_ms: int) -> None:
    longer = made(duration_ms=LONG_MS + longer_ms, at=20 + longer_ms // FRAME_MS)
    match, back = compare(made(), longer), compare(longer, made())
    assert match is not None
    assert back is not None
    assert match.similarity == back.similarity == 1
    assert match.offset_ms == -back.offset_ms == longer_ms // FRAME_MS * FRAME_MS
    assert match.other_start_ms - match.start_ms == match.offset_ms
    beyond = made(duration_ms=LONG_MS + longer_ms, at=22 + longer_ms // FRAME_MS)
    assert compare(made(), beyond) is None


def test_sound_that_is_moved_in_a_recording_as_long_is_no_match() -> None:
    assert compare(made(), made(at=21)) is not None  # a decoder's delay
    assert compare(made(), made(at=22)) is None
    assert compare(made(), made(at=18)) is None


def test_recordings_of_different_lengths_are_not_compared() -> None:
    assert compare(made(), made(duration_ms=LONG_MS + 300)) is not None
    assert compare(made(), made(duration_ms=LONG_MS + 301), least_similarity=0) is None


def test_in_a_frame_that_sounds_in_one_alone_all_bits_are_wrong() -> None:
    one = Fingerprint.read(made(frames=40))
    more = replace(one, sounding=one.sounding | 0b1111 << 100, heard=one.heard | 0b1111 << 100)
    match = compare(bytes(one), bytes(more), least_similarity=0)
    assert match is not None
    assert match.similarity == pytest.approx(one.clear.bit_count() / (one.clear.bit_count() + 4 * BITS))


def test_a_frame_that_is_heard_in_the_other_says_nothing_by_its_level() -> None:
    one = Fingerprint.read(made(frames=40))
    heard = replace(one, heard=one.heard | 0b1111 << 100)
    assert compare(bytes(replace(heard, sounding=heard.heard)), bytes(heard)) == Match(
        1.0, 0, 2_200, 800, 5_000, 800, 5_000
    )


def test_bits_that_are_clear_in_one_alone_count_when_it_has_fewer() -> None:
    one = Fingerprint.read(made())
    clearer = replace(one, clear=(1 << one.clear.bit_length()) - 1)
    match = compare(bytes(one), bytes(clearer))
    assert match is not None
    assert match.similarity == 1


@pytest.mark.parametrize("frames", [0, 1, 19])
def test_of_less_than_a_second_nothing_is_said(frames: int) -> None:
    assert compare(made(frames=frames), made(frames=frames), least_similarity=0) is None


def test_of_sound_that_stands_still_nothing_is_said() -> None:
    steady = of(LONG_MS, (1 << 200) - 1, [0] * BITS, [0] * BITS)
    assert compare(steady, steady, least_similarity=0) is None


def test_behind_two_minutes_nothing_is_known() -> None:
    one, other = (
        made(duration_ms=130_000 + moved * FRAME_MS, at=moved, frames=MOST_FRAMES - moved) for moved in (0, 3)
    )
    match = compare(one, other)
    assert match is not None
    assert match.similarity == 1
    assert match.offset_ms == 150


@given(st.integers(0, 5), st.integers(0, 5), st.integers(-300, 300), st.integers(18, 24))
def test_the_order_makes_no_difference(seed: int, other_seed: int, longer_ms: int, at: int) -> None:
    one, other = made(seed), made(other_seed, duration_ms=LONG_MS + longer_ms, at=at)
    forth, back = (compare(*pair, least_similarity=0) for pair in ((one, other), (other, one)))
    assert forth is not None
    assert back == Match(
        similarity=forth.similarity,
        offset_ms=-forth.offset_ms,
        compared_ms=forth.compared_ms,
        start_ms=forth.other_start_ms,
        end_ms=forth.other_end_ms,
        other_start_ms=forth.start_ms,
        other_end_ms=forth.end_ms,
    )


def test_another_version_cannot_be_compared() -> None:
    newer = bytes([VERSION + 1]) + made()[1:]
    assert compare(newer, made(), least_similarity=0) is None
    assert compare(made(), newer, least_similarity=0) is None
    assert compare(newer, newer, least_similarity=0) is None


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        bytes([VERSION]),
        made()[:5],
        made()[:40],
        made()[:-1],
        made() + b"x",
        made()[:5] + b"no deflated data",
        made()[:5] + zlib.compress(b"short"),
        made()[:5] + zlib.compress(bytes(10_000_000)),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_what_is_no_whole_fingerprint_is_refused(damaged: bytes) -> None:
    for pair in ((damaged, made()), (made(), damaged)):
        with pytest.raises(ValueError, match="a fingerprint"):
            compare(*pair)


def test_comparing_needs_no_numpy() -> None:
    code = "import sys, ringtrue.fingerprint; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
