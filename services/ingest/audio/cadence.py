"""Which bursts of the ringing tone are rings, and how sure their count is.

A burst is judged by its length and by its place in the rhythm (`rhythm`). A ring may be shortened by the recording's
start or by the answer: from one half of its sound on it counts. Bursts in rhythm are each other's evidence. One that
stands alone is a ring only if it is clean: a note of music or of a voice has others around it, or begins out of them.

A country may have several cadences: the one that fits the call best is taken, and it is a doubt (`doubts`) when another
explains the call as well and counts differently.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ringtrue.messages import Ring, Tone
from services.ingest.audio.doubts import confidence
from services.ingest.audio.rhythm import Cadence, cycles_of, fast_tones
from services.ingest.audio.spectrum import Burst
from services.ingest.audio.tone_plans import ToneSpec

#: Start and end of something, ms; and whether music sounds around it, apart from what is given as the last.
Region = tuple[int, int]
AmidMusic = Callable[[int, int, tuple[Region, ...]], bool]

#: What makes a ring less than clean: it may as well be a note or a voice.
_UNCLEAN = frozenset(("weak", "crowded", "fading", "wandering"))
#: And what leaves its length uncertain.
_BLURRED = frozenset(("weak", "fading"))
#: No generator's tone is so, whatever else sounds.
_NOT_HELD = frozenset(("fading", "wandering"))
#: A burst that begins in the first two cells was going on when the recording began.
_AT_START_MS = 40
_HALF_MARGIN_MS = 20
#: A longer tone is a dial tone; no country rings so long.
_CONTINUOUS_MS = 3_000
_PERIOD_TOLERANCE = 0.1
#: What sounds so much later than three rings and more is no part of that ringing: the call was answered.
_OVER_AFTER_PERIODS = 1.5
#: From this many periods on, it is another ringing, not a lost ring.
_SEPARATE_PERIODS = 2.6
#: So many rings in the cadence's rhythm are rings, whatever else sounds in them.
_SELF_EVIDENT = 3
_WEAK_SHARE = 0.8
#: Where music or a voice sounds close by, a ring alone is one, in doubt, if it has a whole one's length, is all that
#: sounds in it, and keeps its pitch to 0.1 Hz, as no note does that sounds so pure.
_PURE_SHARE, _STEADY_PITCH = 0.9, 0.00025
#: A shorter burst that is no ring may as well be a syllable: it is not reported, so that it stays in the transcript.
_SHORTEST_OTHER_MS = 300
#: So many tones of no ring's length or rhythm show that notes sound at the ringing frequency.
_MANY_STRAYS = 2
#: A shorter part of a ring is only a sound, and says nothing about rings.
_NOTABLE = 0.3
_FIT_OF_A_RIVAL = 0.8
_FIT_OF_A_PIECE = 0.05  # for each second of it
#: Frequencies 2.5 % off, the most that there are, make a reading by half worse.
_WEIGHT_OF_OFF = 20.0
#: What a busy or congestion tone that a plan explains adds to the fit: it tells plans apart where rings do not.
NAMED_FIT = 0.01


@dataclass(frozen=True, slots=True)
class Ringing:
    """How the bursts of a ringing tone were read; `doubts` are keys of `doubts.DOUBTS`, `fit` compares readings."""

    rings: tuple[Ring, ...]
    others: tuple[Tone, ...]
    doubts: frozenset[str]
    fit: float

    @property
    def confidence(self) -> float:
        """How sure the count is."""
        return confidence(self.doubts)


def readings(
    bursts: Sequence[Burst],
    ring: ToneSpec,
    not_rings: dict[str, ToneSpec],
    named: Sequence[Region],
    is_amid_music: AmidMusic,
) -> list[Ringing]:
    """Reads the bursts of a ringing tone in one channel by each of its cadences.

    Args:
        bursts: All of them, by start.
        ring: The ringing tone.
        not_rings: The busy and congestion tones that have its frequencies, by kind.
        named: Where busy and congestion tones of other frequencies sound.
        is_amid_music: Whether music sounds around a burst, apart from what is given with it.
    """
    return [_read(bursts, Cadence.of(cadence), not_rings, named, is_amid_music) for cadence in ring.cadences_ms]


def best_of(readings: Sequence[Ringing]) -> tuple[int, Ringing]:
    """Which reading explains a call best, by its place, and it, in doubt where another explains it as well.

    Of equals the first is taken: the order is a preference.
    """
    place = max(range(len(readings)), key=lambda index: readings[index].fit)
    best = readings[place]
    for rival in readings:
        as_good = len(best.rings) <= 1 or rival.fit >= _FIT_OF_A_RIVAL * best.fit
        heard = rival.rings or rival.others  # a plan whose tones do not sound at all is no rival
        if heard and as_good and "suspect" not in rival.doubts and len(rival.rings) != len(best.rings):
            return place, replace(best, doubts=best.doubts | {"cadences_differ"})
    return place, best


def _read(
    bursts: Sequence[Burst],
    cadence: Cadence,
    not_rings: dict[str, ToneSpec],
    named: Sequence[Region],
    is_amid_music: AmidMusic,
) -> Ringing:
    cycles = cycles_of(bursts, cadence)
    fast = fast_tones(cycles, not_rings)
    candidates, others_doubts = _candidates(cycles, fast, cadence)
    explained = (*named, *((cycle.start_ms, cycle.end_ms) for cycle in cycles))
    kept = []
    for chain in _chains(cycles, candidates, fast, cadence):
        only = cycles[chain[0]]
        if len(chain) == 1 and is_amid_music(only.start_ms, only.end_ms, explained):
            # Two partials that sound as one are evidence by themselves; a single one must keep its pitch.
            if not (cadence.is_exact(only) and only.share >= _PURE_SHARE and only.shaken <= _STEADY_PITCH):
                continue
            candidates[chain[0]].add("crowded")
        kept += chain
    for index in candidates.keys() - kept:
        others_doubts[index] = {"suspect"}
    rings = [
        Ring(
            start_ms=cycles[index].start_ms,
            end_ms=cycles[index].end_ms,
            frequency_hz=round(cycles[index].frequency_hz, 1),
            confidence=confidence(candidates[index]),
        )
        for index in kept
    ]
    others = [
        Tone(kind=fast.get(index, "other"), start_ms=cycle.start_ms, end_ms=cycle.end_ms)
        for index, cycle in enumerate(cycles)
        if index in fast or (index not in kept and cycle.length_ms >= _SHORTEST_OTHER_MS)
    ]
    irregular, fit = _regularity(rings, cadence)
    for index in range(len(cycles)):
        if index in kept and cadence.is_whole(cycles[index]):
            fit += cadence.likeness(cycles[index])
        elif index not in fast:
            # A ring that is cut says nothing of how long it would have been: the plan's order of cadences decides.
            fit += _FIT_OF_A_PIECE * cycles[index].heard_ms / 1000
    off = statistics.fmean(abs(cycles[index].off) for index in kept) if kept else 0.0
    fit = fit * (1 - _WEIGHT_OF_OFF * off) + NAMED_FIT * len(fast)
    clear: frozenset[str] = frozenset()
    answered_ms = math.inf
    if len(rings) >= _SELF_EVIDENT and not irregular:
        clear = _UNCLEAN
        answered_ms = rings[-1].end_ms + _OVER_AFTER_PERIODS * cadence.period
    # That it is ringing is clear then; but not how long a short ring was that goes over into another sound.
    doubts = irregular.union(
        *(candidates[index] - (clear if cadence.is_whole(cycles[index]) else clear - _BLURRED) for index in kept)
    )
    doubts |= {doubt for index, why in others_doubts.items() if cycles[index].start_ms < answered_ms for doubt in why}
    return Ringing(tuple(rings), tuple(others), frozenset(doubts), fit)


def _candidates(
    cycles: Sequence[Burst], fast: Mapping[int, str], cadence: Cadence
) -> tuple[dict[int, set[str]], dict[int, set[str]]]:
    """Which bursts may be rings by length and place, by index, with their doubts; and the doubts that others raise."""
    whole = [index for index, cycle in enumerate(cycles) if index not in fast and cadence.is_whole(cycle)]
    halves = _halves(cycles, whole, cadence)
    candidates: dict[int, set[str]] = {}
    others: dict[int, set[str]] = {}
    for index, cycle in enumerate(cycles):
        if index in fast:
            continue
        is_ring, why = True, set[str]()
        if index not in whole:
            last = cycles[max(candidates)] if candidates else None
            following = cycles[index + 1] if index + 1 < len(cycles) and index + 1 not in fast else None
            is_ring, why = _judge_odd(cycle, following, last, cadence, halves, index > max(whole, default=-1))
        if not is_ring:
            others[index] = why
            continue
        weak = cycle.smeared or (cycle.share < _WEAK_SHARE and not cadence.is_exact(cycle))
        why |= {"weak"} if weak else set()
        why |= {"crowded"} if cycle.crowded else set()
        why |= {"fading"} if cycle.fading else set()
        why |= {"wandering"} if cycle.wandering else set()
        candidates[index] = why
    return candidates, others


def _halves(cycles: Sequence[Burst], whole: Sequence[int], cadence: Cadence) -> list[float]:
    """One half of a ring, as rings are in this call, ms: the measure to judge by, and perhaps another one.

    A ring that the start or the answer has cut by a fifth passes for whole, but is no measure. So those count that are
    no shorter than the plan's; else those that nothing can have cut. Where the two differ, the exchange may be off.
    """
    uncut = [cycles[index] for index in whole if cadence.is_uncut(cycles[index])]
    inner = [cycles[index] for index in whole if cycles[index].start_ms > _AT_START_MS and index + 1 < len(cycles)]
    halves = [statistics.median(cycle.heard_ms for cycle in rings) / 2 for rings in (uncut, inner) if rings]
    return halves or [cadence.heard / 2]


def _chains(
    cycles: Sequence[Burst], candidates: Mapping[int, set[str]], fast: Mapping[int, str], cadence: Cadence
) -> list[list[int]]:
    """The candidates that are rings: those in rhythm with each other, and single ones that nothing speaks against.

    A note of music, or of a voice, looks like a ring by chance; but then it sounds out of others, or among others that
    are no rings, and not in their rhythm.
    """
    slow = [index for index in range(len(cycles)) if index not in fast]
    chains: list[list[int]] = []
    for index in slow:
        if chains and cadence.joins(cycles[chains[-1][-1]], cycles[index]):
            chains[-1].append(index)
        else:
            chains.append([index])
    alone = [chain[0] for chain in chains if len(chain) == 1]
    strays = [cycles[index] for index in alone if index not in candidates or candidates[index] & _UNCLEAN]
    kept = []
    for chain in chains:
        rings = [index for index in chain if index in candidates]
        clean = any(not candidates[index] & _UNCLEAN for index in rings)
        is_stray = len(chain) == 1 and _is_among(cycles[chain[0]], strays, cadence)
        # A string plucked again and again is in rhythm, and fades each time; so may a whistle be, and wanders.
        held = any(not candidates[index] & _NOT_HELD for index in rings)
        self_evident = len(chain) >= _SELF_EVIDENT and held
        if self_evident or (clean and not is_stray):
            kept.append(rings)
    return kept


def _is_among(cycle: Burst, strays: Sequence[Burst], cadence: Cadence) -> bool:
    """Whether several tones that are no rings sound within a period of a burst."""
    near = [
        stray
        for stray in strays
        if stray.length_ms >= _SHORTEST_OTHER_MS
        and cycle.start_ms - cadence.period <= stray.end_ms
        and stray.start_ms <= cycle.end_ms + cadence.period
    ]
    return len(near) >= _MANY_STRAYS


def _judge_odd(
    cycle: Burst,
    following: Burst | None,
    last: Burst | None,
    cadence: Cadence,
    halves: Sequence[float],
    after_all: bool,
) -> tuple[bool, set[str]]:
    """Whether a burst that is too short or too long for a whole ring is one, and what makes that doubtful.

    Args:
        cycle: The burst.
        following: The burst after it.
        last: The burst before it that may be a ring.
        cadence: The cadence by which the call is read.
        halves: One half of a ring, as rings are in this call, by one or two measures; the first decides.
        after_all: Whether no whole ring follows.
    """
    if cycle.length_ms > cadence.ring:
        return False, set() if cycle.length_ms >= _CONTINUOUS_MS else {"suspect"}
    at_start = cycle.start_ms <= _AT_START_MS
    in_time = last is not None and cadence.is_pause(cycle.start_ms - last.end_ms)
    in_pieces = following is not None and following.end_ms - cycle.start_ms <= cadence.longest
    is_near = min(halves) - _HALF_MARGIN_MS <= cycle.heard_ms <= max(halves) + _HALF_MARGIN_MS
    doubts = {"near_half"} if is_near else set()
    if cycle.heard_ms < halves[0]:
        notable = cycle.heard_ms >= _NOTABLE * cadence.heard and not at_start and (in_pieces or not in_time)
        return False, doubts | ({"suspect"} if notable else set())
    if at_start:
        return True, doubts
    if not in_time:
        return True, doubts | {"alone"}
    return True, doubts | {"shortened" if after_all else "damaged"}


def _regularity(rings: Sequence[Ring], cadence: Cadence) -> tuple[set[str], float]:
    """What the intervals make doubtful, and how well lengths and intervals fit the cadence (more is better)."""
    doubts = {"single"} if len(rings) == 1 else set()
    fit = 0.0
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
