"""The rhythm of a tone's bursts: which make one ring together, and which follow each other as a busy tone's do.

Busy and congestion sound like ringing and differ only in their rhythm, so a burst is judged by its length and by the
pauses around it.
"""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from services.ingest.audio.spectrum import Burst
from services.ingest.audio.tone_plans import ToneSpec

#: The lengths of a whole ring, relative to the cadence's.
_SHORTEST_WHOLE, _LONGEST_WHOLE = 0.8, 1.25
_PAUSE_JITTER_MS = 100
_PERIOD_TOLERANCE = 0.1
#: One ringing keeps its period within this, and its frequency within 0.8 %; notes seldom do both. Where AMR shakes a
#: weak tone, each ring as a whole is off by up to some three times as much as its pitch strays within.
_STEADY_PERIOD, _STEADY_PITCH, _SHAKEN_PITCH = 0.035, 0.008, 3.0
_EXACT, _EXACT_MS = 0.025, 10
#: Busy tones vary by a cell or two; and shorter than this in all, a run of them is no proof.
_MOST_MISFIT, _LEAST_FAST_MS = 0.25, 500


@dataclass(frozen=True, slots=True)
class Cadence:
    """A ring's length with its inner pauses, how long it sounds in it, and the pause after it, ms."""

    ring: float
    heard: float
    pause: float
    inner_pause: float

    @classmethod
    def of(cls, cadence_ms: Sequence[int]) -> "Cadence":
        """From a plan's line: sound and pause in turn."""
        inner_pauses = cadence_ms[1:-1:2]
        return cls(sum(cadence_ms[:-1]), sum(cadence_ms[::2]), cadence_ms[-1], max(inner_pauses, default=0))

    @property
    def period(self) -> float:
        """From the start of a ring to the next one's."""
        return self.ring + self.pause

    @property
    def longest(self) -> float:
        """The longest that a ring may appear."""
        return _LONGEST_WHOLE * self.ring + _PAUSE_JITTER_MS

    def is_whole(self, burst: Burst) -> bool:
        """Whether a burst may be a whole ring by its length."""
        return _SHORTEST_WHOLE * self.ring <= burst.length_ms <= self.longest

    def is_exact(self, burst: Burst) -> bool:
        """Whether a burst has a whole ring's length to within what an exchange and its measurement leave."""
        return abs(burst.length_ms - self.ring) <= _EXACT * self.ring + _EXACT_MS

    def is_uncut(self, burst: Burst) -> bool:
        """Whether a burst has no less than a whole ring's length."""
        return burst.length_ms >= self.ring or self.is_exact(burst)

    def likeness(self, burst: Burst) -> float:
        """How much a burst is like a whole ring, in its length and in how long it sounds: 0 to 1."""
        off = abs(burst.length_ms - self.ring) / self.ring + abs(burst.heard_ms - self.heard) / self.heard
        return max(0.0, 1 - off / 2)

    def joins(self, one: Burst, other: Burst) -> bool:
        """Whether two bursts are one period apart and of the same pitch: each is the other's evidence."""
        # A ring cut at its start keeps its end in rhythm, one cut at its end its start.
        apart = (other.start_ms - one.start_ms, other.end_ms - one.end_ms)
        off = min(abs(interval - self.period) for interval in apart)
        pitch = _STEADY_PITCH + _SHAKEN_PITCH * (one.shaken + other.shaken)
        return off <= _STEADY_PERIOD * self.period and abs(one.off - other.off) <= pitch

    def is_pause(self, pause_ms: float) -> bool:
        """Whether a pause may be the one between two rings."""
        return abs(pause_ms - self.pause) <= _PERIOD_TOLERANCE * self.period


def cycles_of(bursts: Sequence[Burst], cadence: Cadence) -> list[Burst]:
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
