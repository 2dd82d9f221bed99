"""When in an order's window a call would serve: the stretches of time in which it leads to one and the same verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time

from ringtrue import times
from ringtrue.messages import Order
from services.compliance.attempts import late_hours
from services.compliance.ruleset import Ruleset
from services.compliance.spacing import TRIPLE

_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time, UTC milliseconds.

    Attributes:
        begin_ms: When it begins.
        first_ms: Its first whole second.
        last_ms: Its last one.
    """

    begin_ms: int
    first_ms: int
    last_ms: int

    @property
    def middle_ms(self) -> int:
        """A whole second in its middle."""
        return (self.first_ms + self.last_ms) // 2 // _SECOND_MS * _SECOND_MS


def stretches(
    order: Order, starts: Iterable[int], rules: Ruleset, verdict_at: Callable[[int], str | None]
) -> dict[str, list[Stretch]]:
    """By verdict, when in the window a call leads to it; stretches of less than a second are left out.

    Args:
        order: The order.
        starts: When its other calls started, UTC milliseconds.
        rules: The rules in force.
        verdict_at: The verdict with the call at that time; None where there is not one.
    """
    found = dict[str, list[Stretch]]()
    turns = _turns(order, starts, rules)
    pieces = [piece for start, end in zip(turns, [*turns[1:], None], strict=True) for piece in _pieces(start, end)]
    judged = [(first, last, verdict_at((first + last) // 2)) for first, last in pieces]
    while judged:
        first, last, verdict = judged.pop(0)
        while judged and judged[0][2] == verdict:
            _, last, _ = judged.pop(0)
        stretch = Stretch(first, -(-first // _SECOND_MS) * _SECOND_MS, last // _SECOND_MS * _SECOND_MS)
        if verdict is not None and stretch.first_ms <= stretch.last_ms:
            found.setdefault(verdict, []).append(stretch)
    return found


def good_times(order: Order, starts: Iterable[int], rules: Ruleset) -> list[int]:
    """Whole seconds at which several calls can stand a gap apart from each other and from those that there are.

    Those near the noon of the suspension's day come first: nobody calls at night, where a window begins that has only a
    date.
    """
    gap_ms, reach = rules.min_gap_ms, range(TRIPLE)
    noon = datetime.combine(times.local_day(order.suspended_at_ms, rules.zone), time(12))
    noon_ms = times.to_utc_ms(noon, rules.zone)
    later = [base + step * gap_ms for base in (order.window_start_ms, noon_ms - gap_ms, *starts) for step in reach]
    earlier = [base - step * gap_ms for base in (order.suspended_at_ms, *starts) for step in reach]
    rounded = {-(-moment // _SECOND_MS) * _SECOND_MS for moment in later}
    rounded |= {moment // _SECOND_MS * _SECOND_MS for moment in earlier}
    inside = [moment for moment in rounded if order.window_start_ms <= moment <= order.suspended_at_ms]
    return sorted(inside, key=lambda moment: (abs(moment - noon_ms), moment))


def _turns(order: Order, starts: Iterable[int], rules: Ruleset) -> list[int]:
    """The times at which a verdict may turn, with the window's ends."""
    late = late_hours(order, rules)
    anchors = [order.window_start_ms, order.suspended_at_ms, *starts]
    steps = range(-TRIPLE, TRIPLE + 1)
    turns = {anchor + step * rules.min_gap_ms for anchor in anchors for step in steps} | {late.start, late.stop}
    return sorted(turn for turn in turns if order.window_start_ms <= turn <= order.suspended_at_ms)


def _pieces(start_ms: int, end_ms: int | None) -> Iterator[tuple[int, int]]:
    """A turn itself, and what lies between it and the next one."""
    yield start_ms, start_ms
    if end_ms is not None and end_ms - start_ms > 1:
        yield start_ms + 1, end_ms - 1
