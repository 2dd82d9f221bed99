"""Coverage marks as compliance's workers keep them: one per source partition; what is vouched for is the least of all.

The register forwards each mark to every partition of `calls.registered`, facts to every partition of `calls.facts`.
Whoever reads such a topic knows "everything up to T stands before this point" only once every partition has said so.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace

from ringtrue.messages import CoverageMark, HourCount
from ringtrue.streaming.step import Step

_KEY = "coverage:"


def advance(step: Step, mark: CoverageMark, partitions: int) -> CoverageMark | None:
    """Takes a mark in. What all source partitions together vouch for, when this mark has moved that on; else None."""
    marks = dict(step.scan(_KEY, CoverageMark))
    key = f"{_KEY}{mark.source_partition:04d}"
    if key in marks and marks[key].until_ms >= mark.until_ms:
        return None
    before = _least(marks.values(), partitions)
    step.put(key, mark)
    after = _least((marks | {key: mark}).values(), partitions)
    return after if before is None or (after is not None and after.until_ms > before.until_ms) else None


def summed_hours(step: Step) -> tuple[HourCount, ...]:
    """The hour counts of all source partitions added up, where each counts its own calls."""
    totals = dict[int, HourCount]()
    for _, mark in step.scan(_KEY, CoverageMark):
        for count in mark.hours:
            old = totals.get(count.hour_ms)
            totals[count.hour_ms] = count if old is None else _added(old, count)
    return tuple(totals[hour] for hour in sorted(totals))


def in_window(hours: Iterable[HourCount], start_ms: int, end_ms: int) -> HourCount:
    """The counts of the hours that a window touches, added up.

    A recording of unknown time that was written after the window began may be of a call in it, however late it was
    written; it counts as one that is registered there without a client number.
    """
    total = HourCount(hour_ms=start_ms, registered=0, unassigned=0, undated=0)
    for count in hours:
        if count.hour_ms <= start_ms - 3_600_000:
            continue
        may_be_here = count.undated
        here = count if count.hour_ms <= end_ms else replace(count, registered=0, unassigned=0)
        total = _added(
            total,
            replace(here, registered=here.registered + may_be_here, unassigned=here.unassigned + may_be_here),
        )
    return total


def _least(marks: Collection[CoverageMark], partitions: int) -> CoverageMark | None:
    if len(marks) < partitions:
        return None
    return replace(
        max(marks, key=lambda mark: mark.until_ms),
        since_ms=max(mark.since_ms for mark in marks),
        until_ms=min(mark.until_ms for mark in marks),
    )


def _added(one: HourCount, other: HourCount) -> HourCount:
    return replace(
        one,
        registered=one.registered + other.registered,
        unassigned=one.unassigned + other.unassigned,
        undated=one.undated + other.undated,
    )
