"""What the two channels of a recording are to each other, and on which of them the called party is heard.

Each channel of a stereo recording is taken to hold what one party sends, as telephone switches record (FreeSWITCH's
RECORD_STEREO: the caller left, the receiver right). Ringing comes back from the called network, so that it is heard on
the called party's channel. What rests on that is a sign, and given only where it is plain.
"""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from services.ingest.audio.levels import Levels, cells_of, sounding
from services.ingest.audio.resample import Samples
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ, CELL_MS, FULL_SCALE, runs
from services.ingest.audio.speech import Region
from services.ingest.audio.tones import Tones

#: Copies are compared in blocks of 100 ms. In each, what one channel does not explain of the other is at most a tenth
#: of its power, or lies below -70 dBFS, as what codecs make of copies does (measured; only Vorbis spoils a copy of
#: inverted polarity, which is then heard twice). One block may be otherwise; a second in a row may be a word.
_BLOCK = ANALYSIS_RATE_HZ // 10
_BLOCKS_AT_ONCE = 600
_UNEXPLAINED, _LEAST_POWER, _BLOCKS_OTHERWISE = 0.1, FULL_SCALE * 10**-7.0, 1
#: A leg that is not connected may click and crackle; a word is longer. The other must hold a second of sound.
_DEAD_MS, _LIVE_MS = 200, 1_000
#: Below this confidence of the ring count, ringing says nothing of whose channel it is.
_SURE = 0.9


class Layout(StrEnum):
    """What the channels are to each other."""

    MONO = "mono"
    TWO_SPEAKERS = "two_speakers"
    DUAL_MONO = "dual_mono"
    DEAD_LEG = "dead_leg"
    UNDECIDED = "undecided"


def is_copy(one: Samples, other: Samples) -> bool:
    """Whether two channels at 8 kHz hold the same throughout, apart from level and polarity; two silent ones do."""
    products = _products(one, other)
    both, first, second = products.sum(axis=1)
    if not first or not second:
        return bool(first == second)
    gain = both / first
    unexplained = products[2] - 2 * gain * products[0] + gain**2 * products[1]
    loudest = np.maximum(products[2], gain**2 * products[1])
    otherwise = (unexplained > _UNEXPLAINED * loudest) & (unexplained > _LEAST_POWER * _BLOCK)
    return all(end - start <= _BLOCKS_OTHERWISE for start, end in runs(otherwise))


def layout_of(
    count: int, levels: Sequence[Levels], speech: Sequence[Sequence[Region]], tones: Sequence[Tones]
) -> tuple[Layout, int | None]:
    """What the channels are, and which of them is dead, if one is.

    Args:
        count: How many channels the recording was read with, 1 or 2.
        levels: By channel, without a copy.
        speech: Where the detector hears speech.
        tones: What else was found.
    """
    if count == 1:
        return Layout.MONO, None
    sound_ms = [_sound_ms(*channel) for channel in zip(levels, speech, tones, strict=True)]
    if max(sound_ms) < _LIVE_MS:
        return Layout.UNDECIDED, None
    if len(levels) == 1:
        return Layout.DUAL_MONO, None
    if min(sound_ms) <= _DEAD_MS:
        return Layout.DEAD_LEG, sound_ms.index(min(sound_ms))
    return Layout.TWO_SPEAKERS, None


def tone_channel(tones: Sequence[Tones]) -> int:
    """The channel whose tones are the call's: the one with most rings, the surest of several.

    Where none has a ring it is the least sure one: what may be ringing of another kind on one leg is not covered by the
    sure zero of the other.
    """

    def worth(channel: int) -> tuple[int, float]:
        found = tones[channel]
        return found.ring_count, found.ring_confidence if found.ring_count else -found.ring_confidence

    return max(range(len(tones)), key=worth)


def called_channel(layout: Layout, tones: Sequence[Tones]) -> int | None:
    """The channel on which the called party is heard; None where nothing tells.

    Ringing on one channel alone tells it. On a recording with a dead leg it does not: the live one may hold both sides.
    """
    if layout is not Layout.TWO_SPEAKERS:
        return None
    ringing = [channel for channel, found in enumerate(tones) if found.ring_count]
    if len(ringing) != 1 or tones[ringing[0]].ring_confidence < _SURE:
        return None
    return ringing[0]


def are_swapped(called: int | None, agent_channel: int | None) -> bool | None:
    """Whether the channels are the other way round than the sidecar says; None where it cannot be decided.

    The technician calls, so the called party cannot be on his channel.
    """
    return None if called is None or agent_channel is None else called == agent_channel


def warnings_of(dead: int | None, swapped: bool | None) -> list[str]:
    """What people should know of the channels, in sentences."""
    found = []
    if dead is not None:
        found.append(f"channel {dead} holds no sound: one side of the call may not have been recorded")
    if swapped:
        found.append("ringing is heard on the technician's channel: the channels are the other way round than said")
    return found


def _sound_ms(levels: Levels, speech: Sequence[Region], tones: Tones) -> int:
    is_tone = cells_of(tones.regions, len(levels))
    cells = sounding(levels, is_tone) | cells_of(speech, len(levels)) | is_tone
    return int(np.count_nonzero(cells)) * CELL_MS


def _products(one: Samples, other: Samples) -> npt.NDArray[np.float64]:
    """For each block the products of both channels, of the first and of the second with itself."""
    found = []
    at_once = _BLOCK * _BLOCKS_AT_ONCE
    for start in range(0, len(one), at_once):
        left, right = (_blocks(channel[start : start + at_once]) for channel in (one, other))
        pairs = ((left, right), (left, left), (right, right))
        found.append(np.stack([np.einsum("ij,ij->i", *pair) for pair in pairs]))
    return np.concatenate([np.zeros((3, 0)), *found], axis=1)


def _blocks(samples: Samples) -> npt.NDArray[np.float64]:
    return np.pad(samples.astype(np.float64), (0, -len(samples) % _BLOCK)).reshape(-1, _BLOCK)
