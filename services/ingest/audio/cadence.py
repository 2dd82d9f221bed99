"""Which bursts of the ringing tone are rings, and how sure their count is.

Busy and congestion sound like ringing and differ only in their rhythm, so a burst is judged by its length and by the
pauses around it. A ring may be shortened by the recording's start or by the answer: from one half of its sound on it
counts.

The confidence of a count is a plain product: 0.99, and a factor for each kind of doubt that was met (`DOUBTS`). Any
serious doubt takes it below 0.9, which compliance treats as an unknown count. A country may have several cadences: the
one that fits the call best is taken, and it is a doubt when another explains the call as well and counts differently.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ringtrue.messages import Ring, Tone
from services.ingest.audio.spectrum import CELL_MS, Burst
from services.ingest.audio.tone_plans import ToneSpec

CERTAIN = 0.99
DOUBTS = {
    "single": 0.97,  # one ring only: no interval confirms the cadence
    "shortened": 0.97,  # the last ring is short; the answer does that
    "separate": 0.95,  # a second ringing in the same recording
    "weak": 0.9,  # much else sounds in a ring
    "crowded": 0.85,  # a ring begins out of another sound as loud, like a note
    "damaged": 0.85,  # a short ring among whole ones
    "alone": 0.94,  # a short burst, neither at the start nor one period after a ring
    "near_half": 0.75,  # whether one half was heard lies within the error of measurement
    "irregular": 0.6,  # an interval that is not the cadence's
    "cadences_differ": 0.6,  # the count depends on which of the country's cadences it is
    "suspect": 0.6,  # a burst that might be a ring, or two, or a busy tone
    "missing": 0.5,  # room for a ring between two rings
}

#: The lengths of a whole ring, relative to the cadence's.
_SHORTEST_WHOLE, _LONGEST_WHOLE = 0.8, 1.25
#: A burst that begins in the first two cells was going on when the recording began.
_AT_START_MS = 40
_HALF_MARGIN_MS = 30
#: A longer tone is a dial tone; no country rings so long.
_CONTINUOUS_MS = 3_000
_PERIOD_TOLERANCE = 0.1
#: From this many periods on, it is another ringing, not a lost ring.
_SEPARATE_PERIODS = 2.6
#: So many rings in the cadence's rhythm are rings, whatever else sounds in them.
_SELF_EVIDENT = 3
_WEAK_SHARE = 0.8
#: Busy tones vary by a cell or two; and shorter than this in all, a run of them is no proof.
_MOST_MISFIT, _LEAST_FAST_MS = 0.25, 500
#: A shorter burst that is no ring may as well be a syllable: it is not reported, so that it stays in the transcript.
_SHORTEST_OTHER_MS = 300
#: A shorter part of a ring is only a sound, and says nothing about rings.
_NOTABLE = 0.3
_PAUSE_JITTER_MS = 100
_FIT_OF_A_RIVAL = 0.8


@dataclass(frozen=True, slots=True)
class Ringing:
    """How the bursts of the ringing tone were read; `doubts` are keys of `DOUBTS`, `fit` compares readings."""

    rings: tuple[Ring, ...]
    others: tuple[Tone, ...]
    doubts: frozenset[str]
    fit: float

    @property
    def confidence(self) -> float:
        """How sure the count is."""
        return confidence(self.doubts)


def confidence(doubts: Iterable[str]) -> float:
    """0.99, times the factor of each kind of doubt."""
    return round(CERTAIN * math.prod(DOUBTS[doubt] for doubt in sorted(set(doubts))), 3)


def read_ringing(bursts: Sequence[Burst], ring: ToneSpec, not_rings: dict[str, ToneSpec]) -> Ringing:
    """Reads the bursts of the ringing tone in one channel by the country's cadence that fits them best.

    Args:
        bursts: All of them, by start.
        ring: The country's ringing tone.
        not_rings: Its busy and congestion tones, by kind.
    """
    readings = [_read(bursts, _Cadence.of(cadence), not_rings) for cadence in ring.cadences_ms]
    best = max(readings, key=lambda reading: reading.fit)  # the first of equals: the plan's order is its preference
    for rival in readings:
        as_good = len(best.rings) <= 1 or rival.fit >= _FIT_OF_A_RIVAL * best.fit
        if as_good and "suspect" not in rival.doubts and len(rival.rings) != len(best.rings):
            return Ringing(best.rings, best.others, best.doubts | {"cadences_differ"}, best.fit)
    return best


def fast_tones(bursts: Sequence[Burst], not_rings: dict[str, ToneSpec]) -> dict[int, str]:
    """The kind (busy, congestion) of each burst, by index, that belongs to a run in such a rhythm."""
    cadences = [(kind, cadence_ms) for kind, spec in not_rings.items() for cadence_ms in spec.cadences_ms]
    kinds: dict[int, str] = {}
    for run in _close_runs(bursts, [cadence_ms for _, cadence_ms in cadences]):
        misfit, kind = min(
            (_misfit([bursts[index] for index in run], cadence_ms), kind) for kind, cadence_ms in cadences
        )
        if misfit <= _MOST_MISFIT and sum(bursts[index].length_ms for index in run) >= _LEAST_FAST_MS:
            kinds |= dict.fromkeys(run, kind)
    return kinds


@dataclass(frozen=True, slots=True)
class _Cadence:
    """A ring's length with its inner pauses, how long it sounds in it, and the pause after it, ms."""

    ring: float
    heard: float
    pause: float
    inner_pause: float

    @classmethod
    def of(cls, cadence_ms: Sequence[int]) -> "_Cadence":
        inner_pauses = cadence_ms[1:-1:2]
        return cls(sum(cadence_ms[:-1]), sum(cadence_ms[::2]), cadence_ms[-1], max(inner_pauses, default=0))

    @property
    def period(self) -> float:
        return self.ring + self.pause

    @property
    def longest(self) -> float:
        return _LONGEST_WHOLE * self.ring + _PAUSE_JITTER_MS

    def is_whole(self, burst: Burst) -> bool:
        return _SHORTEST_WHOLE * self.ring <= burst.length_ms <= self.longest

    def is_pause(self, pause_ms: float) -> bool:
        return abs(pause_ms - self.pause) <= _PERIOD_TOLERANCE * self.period


def _read(bursts: Sequence[Burst], cadence: _Cadence, not_rings: dict[str, ToneSpec]) -> Ringing:
    cycles = _cycles(bursts, cadence)
    fast = fast_tones(cycles, not_rings)
    whole = [index for index, cycle in enumerate(cycles) if index not in fast and cadence.is_whole(cycle)]
    half = statistics.median([cycles[index].heard_ms for index in whole] or [cadence.heard]) / 2
    rings: list[Ring] = []
    others: list[Tone] = []
    doubts: set[str] = set()
    for index, cycle in enumerate(cycles):
        is_ring, why = False, set[str]()
        if index in whole:
            is_ring = True
        elif index not in fast:
            last = rings[-1] if rings else None
            following = cycles[index + 1] if index + 1 < len(cycles) and index + 1 not in fast else None
            is_ring, why = _judge_odd(cycle, following, last, cadence, half, index > max(whole, default=-1))
        if is_ring:
            why |= {"weak"} if cycle.share < _WEAK_SHARE else set()
            why |= {"crowded"} if cycle.crowded else set()
            rings.append(
                Ring(
                    start_ms=cycle.start_ms,
                    end_ms=cycle.end_ms,
                    frequency_hz=round(cycle.frequency_hz, 1),
                    confidence=confidence(why),
                )
            )
        elif index in fast or cycle.length_ms >= _SHORTEST_OTHER_MS:
            others.append(Tone(kind=fast.get(index, "other"), start_ms=cycle.start_ms, end_ms=cycle.end_ms))
        doubts |= why
    irregular, fit = _regularity(rings, cadence)
    if len(rings) >= _SELF_EVIDENT and not irregular:
        doubts -= {"weak", "crowded"}
    return Ringing(tuple(rings), tuple(others), frozenset(doubts | irregular), fit)


def _judge_odd(
    cycle: Burst, following: Burst | None, last: Ring | None, cadence: _Cadence, half: float, after_all: bool
) -> tuple[bool, set[str]]:
    """Whether a burst that is too short or too long for a whole ring is one, and what makes that doubtful.

    Args:
        cycle: The burst.
        following: The burst after it.
        last: The ring before it.
        cadence: The cadence by which the call is read.
        half: One half of a ring, as rings are in this call.
        after_all: Whether no whole ring follows.
    """
    if cycle.length_ms > cadence.ring:
        return False, set() if cycle.length_ms >= _CONTINUOUS_MS else {"suspect"}
    at_start = cycle.start_ms <= _AT_START_MS
    in_time = last is not None and cadence.is_pause(cycle.start_ms - last.end_ms)
    in_pieces = following is not None and following.end_ms - cycle.start_ms <= cadence.longest
    doubts = {"near_half"} if abs(cycle.heard_ms - half) <= _HALF_MARGIN_MS else set()
    if cycle.heard_ms < half - CELL_MS / 2:
        notable = cycle.heard_ms >= _NOTABLE * cadence.heard and not at_start and (in_pieces or not in_time)
        return False, doubts | ({"suspect"} if notable else set())
    if at_start:
        return True, doubts
    if not in_time:
        return True, doubts | {"alone"}
    return True, doubts | {"shortened" if after_all else "damaged"}


def _cycles(bursts: Sequence[Burst], cadence: _Cadence) -> list[Burst]:
    """Bursts that make one ring together, joined (0.4-0.2-0.4 in the United Kingdom)."""
    cycles: list[Burst] = []
    for burst in bursts:
        last = cycles[-1] if cycles else None
        if last and cadence.inner_pause:
            pause = burst.start_ms - last.end_ms
            near = pause <= cadence.inner_pause + _PAUSE_JITTER_MS
            if near and burst.end_ms - last.start_ms <= _LONGEST_WHOLE * cadence.ring:
                share = (last.share + burst.share) / 2
                cycles[-1] = replace(last, end_ms=burst.end_ms, share=share, pauses_ms=last.pauses_ms + pause)
                continue
        cycles.append(burst)
    return cycles


def _close_runs(bursts: Sequence[Burst], cadences_ms: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices of short bursts that follow each other as quickly as a busy tone, runs of two and more."""
    longest = max((1.25 * on for cadence_ms in cadences_ms for on in cadence_ms[::2]), default=0)
    longest_pause = max((1.25 * off for cadence_ms in cadences_ms for off in cadence_ms[1::2]), default=0)
    groups: list[list[int]] = []
    for index, burst in enumerate(bursts):
        if burst.length_ms > longest:
            continue
        if groups and burst.start_ms - bursts[groups[-1][-1]].end_ms <= longest_pause:
            groups[-1].append(index)
        else:
            groups.append([index])
    for group in groups:
        # A ring cut short may come just before a busy tone; what gives it away is its own pause.
        pauses = _pauses([bursts[index] for index in group])
        first = 1 if len(group) > 2 and abs(pauses[0] / statistics.median(pauses[1:]) - 1) > _MOST_MISFIT else 0
        if len(group) - first > 1:
            yield group[first:]


def _misfit(run: Sequence[Burst], cadence_ms: Sequence[int]) -> float:
    """How far lengths and pauses are from the cadence's, as a mean ratio. The first and last burst may be cut."""
    lengths = [burst.length_ms for burst in (run[1:-1] if len(run) > 2 else run)]
    off = [min(abs(length / wanted - 1) for wanted in cadence_ms[::2]) for length in lengths]
    off += [min(abs(pause / wanted - 1) for wanted in cadence_ms[1::2]) for pause in _pauses(run)]
    return statistics.fmean(off)


def _pauses(run: Sequence[Burst]) -> list[int]:
    return [later.start_ms - burst.end_ms for burst, later in itertools.pairwise(run)]


def _regularity(rings: Sequence[Ring], cadence: _Cadence) -> tuple[set[str], float]:
    """What the intervals make doubtful, and how well lengths and intervals fit the cadence (more is better)."""
    doubts = {"single"} if len(rings) == 1 else set()
    fit = sum(max(0.0, 1 - abs(ring.end_ms - ring.start_ms - cadence.ring) / cadence.ring) for ring in rings)
    # A ring cut at its start keeps its end in rhythm, one cut at its end its start.
    pairs = [(later.start_ms - ring.start_ms, later.end_ms - ring.end_ms) for ring, later in itertools.pairwise(rings)]
    for pair in pairs:
        periods = min((interval / cadence.period for interval in pair), key=lambda ratio: abs(ratio - 1))
        off = abs(periods - 1)
        fit += max(0.0, 1 - off / (2 * _PERIOD_TOLERANCE))
        if off <= _PERIOD_TOLERANCE:
            continue
        if periods >= _SEPARATE_PERIODS:
            doubts.add("separate")
        else:
            doubts.add("missing" if abs(periods - 2) <= 2 * _PERIOD_TOLERANCE else "irregular")
    return doubts, fit
