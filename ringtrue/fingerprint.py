"""Acoustic fingerprints of recordings, and whether two of them are of the same sound.

A fingerprint says for every 50 ms of a recording's first two minutes whether it sounds, and in 16 bits how the balance
of neighbouring bands changed within 200 ms: up or down, and whether clearly enough to hold after another encoding.
Ingest makes them (services/ingest/audio/fingerprint.py). `compare` lays two over each other, at a few places about the
start only: where in the recording something sounds is part of what it is known by. Two calls that only ring sound
alike, but the second one's ringing begins and ends elsewhere.

The bytes: a version; the recording's length in ms (four bytes, big endian); and, deflated, the bits of all frames, one
plane after the other: heard, sounding, 16 of clear changes, 16 of upward ones. Frame 0 is a plane's lowest bit. Each
plane has room for two minutes and some bits more, so that all of them are shifted as one integer.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Self

VERSION = 1
FRAME_MS = 50
BITS = 16
#: Frames overlap, so that the first four lie before the recording: its start is heard in them already. Frame n lies
#: around 50 (n - 4) ms, and four more lie behind the end. Of a longer recording the first two minutes are looked at.
EARLY_FRAMES = 4
MOST_MS = 120_000
MOST_FRAMES = MOST_MS // FRAME_MS + 2 * EARLY_FRAMES

#: From here on two recordings are taken to hold the same sound (benchmarks/fingerprints.py; docs/hearing.md has its
#: table): the same one encoded in another way has 0.76 and more, different talk at most 0.52.
SAME_AUDIO_SIMILARITY = 0.65

#: What an encoder puts before and behind the sound, and a tool takes off: MP3 without its LAME tag 138 + 72 ms at
#: 8 kHz, AAC 128 + 128.
_MOST_PADDING_MS = 300
#: A decoder may come late without the recording becoming longer (AMR 5 ms, Opus 6.5).
_SLACK_MS = FRAME_MS
#: With less sound, or fewer clear bits, nothing can be said. A lone ring has some 45.
_LEAST_MS, _LEAST_BITS = 1_000, 32
#: What frames are shifted by goes into room that is free in each plane.
_ROOM = 16
_STRIDE = MOST_FRAMES + _ROOM
_STRIDE_BYTES = _STRIDE // 8
_PLANES = 2 + 2 * BITS
#: A factor that puts a plane into the place of each of the 16.
_EVERY_PLANE = sum(1 << (place * _STRIDE) for place in range(BITS))
_FIRST_PLANE = (1 << _STRIDE) - 1
_HEAD_BYTES = 5


@dataclass(frozen=True, slots=True)
class Match:
    """Where two recordings hold the same sound, and how alike it is.

    `similarity` is a share of bits: of those that are clear in the recording that has fewer, and of all in frames that
    sound in one recording alone, those that are clear in both and equal. `offset_ms` is by how much later the sound
    lies in the second recording. `compared_ms` is how much sound was compared, from `start_ms` to `end_ms` in the first
    recording, and from `other_start_ms` to `other_end_ms` in the second.
    """

    similarity: float
    offset_ms: int
    compared_ms: int
    start_ms: int
    end_ms: int
    other_start_ms: int
    other_end_ms: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a fingerprint's bytes hold; bit n of a plane belongs to frame n.

    `heard` are the frames that rise above what may be noise, `sounding` the louder ones among them. `clear` and
    `rising` are 16 planes, one above the other, `_STRIDE` bits each.
    """

    duration_ms: int
    heard: int
    sounding: int
    clear: int
    rising: int

    @classmethod
    def of(
        cls, duration_ms: int, heard: bytes, sounding: bytes, clear: Sequence[bytes], rising: Sequence[bytes]
    ) -> Self:
        """Puts the planes together.

        Args:
            duration_ms: The recording's length.
            heard: A bit for each frame, the first one the lowest of the first byte; at most `MOST_FRAMES`.
            sounding: The louder frames.
            clear: For each of the 16 bits, in which frames it can be trusted.
            rising: For each of the 16 bits, in which frames it is set.
        """
        stacked = (b"".join(plane.ljust(_STRIDE_BYTES, b"\0") for plane in planes) for planes in (clear, rising))
        return cls(duration_ms, *(int.from_bytes(data, "little") for data in (heard, sounding, *stacked)))

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Of its bytes, which must be of this version.

        Raises:
            ValueError: They are no whole fingerprint.
        """
        _, duration_ms = _head(data)
        size = _PLANES * _STRIDE_BYTES
        inflating = zlib.decompressobj()
        try:
            body = inflating.decompress(data[_HEAD_BYTES:], size + 1)
        except zlib.error as error:
            raise ValueError(f"a fingerprint is damaged: {error}") from error
        if len(body) != size or not inflating.eof or inflating.unused_data:
            raise ValueError(f"a fingerprint is damaged: it does not hold {size} bytes")
        places = (0, 1, 2, 2 + BITS, _PLANES)
        planes = (body[first * _STRIDE_BYTES : end * _STRIDE_BYTES] for first, end in pairwise(places))
        return cls(duration_ms, *(int.from_bytes(plane, "little") for plane in planes))

    def __bytes__(self) -> bytes:
        planes = ((self.heard, 1), (self.sounding, 1), (self.clear, BITS), (self.rising, BITS))
        body = b"".join(value.to_bytes(count * _STRIDE_BYTES, "little") for value, count in planes)
        return bytes([VERSION]) + self.duration_ms.to_bytes(_HEAD_BYTES - 1, "big") + zlib.compress(body)


def compare(first: bytes, second: bytes, least_similarity: float = SAME_AUDIO_SIMILARITY) -> Match | None:
    """Whether two fingerprints are of the same sound at the same place; the order makes no difference.

    Args:
        first: A fingerprint.
        second: Another one.
        least_similarity: From which similarity on they are.

    Returns:
        The best match; None when there is none that good, when the recordings are not equally long (300 ms aside),
        when hardly anything sounds in both, and when one is of a version that this one cannot compare.

    Raises:
        ValueError: One is no whole fingerprint.
    """
    if second < first:
        found = _compared(second, first)
        match = found and Match(
            similarity=found.similarity,
            offset_ms=-found.offset_ms,
            compared_ms=found.compared_ms,
            start_ms=found.other_start_ms,
            end_ms=found.other_end_ms,
            other_start_ms=found.start_ms,
            other_end_ms=found.end_ms,
        )
    else:
        match = _compared(first, second)
    return match if match and match.similarity >= least_similarity else None


def is_readable(data: bytes) -> bool:
    """Whether it is a whole fingerprint of this version, which `compare` can tell something of."""
    try:
        return _head(data)[0] == VERSION and bool(_read(data))
    except ValueError:
        return False


def _compared(first: bytes, second: bytes) -> Match | None:
    """The best match at any place that an encoder may have moved the sound to; of equals the least moved one."""
    versions_and_lengths = _head(first), _head(second)
    if any(version != VERSION for version, _ in versions_and_lengths):
        return None
    longer_ms = versions_and_lengths[1][1] - versions_and_lengths[0][1]
    if abs(longer_ms) > _MOST_PADDING_MS:
        return None
    one, other = _read(first), _read(second)
    # What is put before the sound makes the recording longer by as much at least, and what is taken off shorter.
    least = -((_SLACK_MS - min(longer_ms, 0)) // FRAME_MS)
    most = (_SLACK_MS + max(longer_ms, 0)) // FRAME_MS
    moved = sorted(range(least, most + 1), key=lambda frames: (abs(frames), frames))
    matches = [match for frames in moved if (match := _laid_over(one, other, frames))]
    return max(matches, key=lambda match: match.similarity, default=None)


def _laid_over(one: Fingerprint, other: Fingerprint, moved: int) -> Match | None:
    """The match when the sound lies so many frames later in the other recording; None with too little to compare."""
    left, right = max(moved, 0), max(-moved, 0)
    known = _FIRST_PLANE
    if min(one.duration_ms, other.duration_ms) >= MOST_MS:
        # Both go on behind what was looked at, where nothing is known of the one that was moved less.
        known = (1 << MOST_FRAMES - 2 * EARLY_FRAMES) - 1
    one_clear, other_clear = one.clear << left & known * _EVERY_PLANE, other.clear << right & known * _EVERY_PLANE
    clear, heard = one_clear & other_clear, one.heard << left & other.heard << right
    either = (one.sounding << left | other.sounding << right) & known
    both = either & heard | _in_any_plane(clear)
    compared_ms = both.bit_count() * FRAME_MS
    fewer = min(one_clear.bit_count(), other_clear.bit_count())
    if compared_ms < _LEAST_MS or fewer < _LEAST_BITS:
        return None
    equal = (clear & ~(one.rising << left ^ other.rising << right)).bit_count()
    alone = BITS * (either & ~heard).bit_count()
    frames = (both & -both).bit_length() - 1, both.bit_length()
    start_ms, end_ms = (_within((frame - left) * FRAME_MS, one) for frame in frames)
    other_start_ms, other_end_ms = (_within((frame - right) * FRAME_MS, other) for frame in frames)
    return Match(
        similarity=equal / (fewer + alone),
        offset_ms=moved * FRAME_MS,
        compared_ms=compared_ms,
        start_ms=start_ms,
        end_ms=end_ms,
        other_start_ms=other_start_ms,
        other_end_ms=other_end_ms,
    )


def _in_any_plane(stacked: int) -> int:
    """The frames that have a bit in any of the 16 planes."""
    for planes in (8, 4, 2, 1):
        stacked |= stacked >> planes * _STRIDE
    return stacked & _FIRST_PLANE


def _within(ms: int, recording: Fingerprint) -> int:
    """A frame's time in the recording."""
    return min(max(0, ms - EARLY_FRAMES * FRAME_MS), recording.duration_ms)


def _head(data: bytes) -> tuple[int, int]:
    """Version and length in ms."""
    if len(data) <= _HEAD_BYTES:
        raise ValueError(f"a fingerprint of {len(data)} bytes is cut short")
    return data[0], int.from_bytes(data[1:_HEAD_BYTES], "big")


#: A call is compared with several others, one after the other.
_read = lru_cache(maxsize=64)(Fingerprint.read)
