"""Three attempts well apart: the search behind the rules `interval` and `rings`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.compliance.attempts import Call, Scene, Truth

#: Attempts of a spaced triple.
TRIPLE = 3

#: What an assumed fact costs: a triple that needs fewer assumptions explains itself better. A date weighs more than
#: any number of other facts can, so that the cheapest triple also needs the fewest undated calls.
_UNSURE, _UNDATED = 1, 10


@dataclass(frozen=True, slots=True)
class Triple:
    """Three attempts of which each starts `min_gap` or more after the one before it."""

    calls: tuple[Call, ...]
    #: Whether it is one whatever the unknown facts may be.
    certain: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """A start at which the triple may have an attempt: of a dated call, or (None) of whichever undated one."""

    start_ms: int
    call: Call | None
    cost: int


@dataclass(frozen=True, slots=True)
class _Chain:
    cost: int
    places: tuple[_Place, ...]


def find_triple(scene: Scene, counts: Callable[[Call], Truth], min_gap_ms: int) -> Triple | None:
    """The spaced triple of attempts that count, or may count, with the fewest assumptions; None if none may exist.

    Any three attempts will do, not neighbours only. An undated call may stand at any time before the last attempt.
    """
    if certain := _earliest_triple(scene.attempts, counts, min_gap_ms):
        return Triple(certain, certain=True)  # nothing has to be assumed, as almost always
    dated = [
        _Place(call.start_ms, call, 0 if counts(call) is Truth.YES else _UNSURE)
        for call in scene.attempts
        if call.start_ms is not None and counts(call).may_be
    ]
    undated = [call for call in scene.floating if counts(call).may_be]
    if not undated and len(dated) < TRIPLE:
        return None
    places = sorted([*dated, *_open_places(scene, dated, min_gap_ms, len(undated))], key=lambda place: place.start_ms)
    best = _cheapest_chain(places, min_gap_ms)
    if best is None or best.cost // _UNDATED > len(undated):
        return None
    stand_ins = iter(undated)
    return Triple(tuple(place.call or next(stand_ins) for place in best.places), certain=best.cost == 0)


def _earliest_triple(
    attempts: Iterable[Call], counts: Callable[[Call], Truth], min_gap_ms: int
) -> tuple[Call, ...] | None:
    """Of the attempts that surely count, the first, and each next one as soon as the gap allows."""
    found: list[Call] = []
    ready_ms: int | None = None
    for call in attempts:
        start_ms = call.start_ms
        if start_ms is None or (ready_ms is not None and start_ms < ready_ms) or counts(call) is not Truth.YES:
            continue
        found.append(call)
        if len(found) == TRIPLE:
            return tuple(found)
        ready_ms = start_ms + min_gap_ms
    return None


def _open_places(scene: Scene, dated: Iterable[_Place], min_gap_ms: int, undated: int) -> list[_Place]:
    """Where undated calls serve best: as early as the calls before them allow."""
    if not undated or not scene.attempts:
        return []
    anchors = {scene.order.window_start_ms} | {place.start_ms + min_gap_ms for place in dated}
    starts = {anchor + step * min_gap_ms for anchor in anchors for step in range(TRIPLE)}
    latest = scene.last.start_ms or 0
    return [_Place(start_ms, None, _UNDATED) for start_ms in sorted(starts) if start_ms <= latest]


def _cheapest_chain(places: list[_Place], min_gap_ms: int) -> _Chain | None:
    """Among places by start, the cheapest chain of three, each `min_gap_ms` or more after the one before."""
    chains: list[_Chain] = [_Chain(place.cost, (place,)) for place in places]
    for _ in range(TRIPLE - 1):
        longer: list[_Chain] = []
        best: _Chain | None = None
        ready = iter(chains)
        upcoming = next(ready, None)
        for place in places:
            while upcoming and upcoming.places[-1].start_ms + min_gap_ms <= place.start_ms:
                best = upcoming if best is None or upcoming.cost < best.cost else best
                upcoming = next(ready, None)
            if best:
                longer.append(_Chain(best.cost + place.cost, (*best.places, place)))
        chains = longer
    return min(chains, key=lambda chain: chain.cost, default=None)
