"""What the hour counts of the marks say of a window."""

from ringtrue.messages import HourCount
from services.compliance.coverage import in_window

HOUR_MS = 3_600_000


def hour(number: int, registered: int = 0, unassigned: int = 0, undated: int = 0) -> HourCount:
    return HourCount(hour_ms=number * HOUR_MS, registered=registered, unassigned=unassigned, undated=undated)


def counted(*hours: HourCount, start_ms: int, end_ms: int) -> tuple[int, int]:
    found = in_window(hours, start_ms, end_ms)
    return found.registered, found.unassigned


def test_every_hour_that_a_window_touches_counts_whole() -> None:
    hours = [hour(9, 1), hour(10, 10, 1), hour(11, 100), hour(12, 1000, 5), hour(13, 10_000)]
    assert counted(*hours, start_ms=10 * HOUR_MS + 1, end_ms=12 * HOUR_MS) == (1110, 6)
    assert counted(*hours, start_ms=10 * HOUR_MS, end_ms=12 * HOUR_MS - 1) == (110, 1)


def test_a_recording_of_unknown_time_may_be_of_any_window_that_began_before_it_was_written() -> None:
    hours = [hour(8, undated=1), hour(10, 50), hour(20, 7, 7, undated=2)]
    assert counted(*hours, start_ms=10 * HOUR_MS, end_ms=12 * HOUR_MS) == (52, 2)
    assert counted(*hours, start_ms=21 * HOUR_MS, end_ms=22 * HOUR_MS) == (0, 0)


def test_a_window_without_recordings_has_none() -> None:
    assert counted(start_ms=0, end_ms=HOUR_MS) == (0, 0)
