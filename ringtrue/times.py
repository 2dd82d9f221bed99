"""Wall times: local times of the operator, in a zone of the tz database, to UTC milliseconds and back.

Everything stored or sent is UTC milliseconds; local times exist only where people write or read them. `parse` reads
what spreadsheets and sidecars hold; `to_utc_ms` places it; `local` and `local_iso` show it again.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from time import time_ns
from zoneinfo import ZoneInfo

from ringtrue.errors import WrongUse

#: What a date without a time stands for: an order's date.
START_OF_DAY = time(0, 0, 0)
#: The same for a suspension's date.
END_OF_DAY = time(23, 59, 59)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)? ?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:[T ]+(\d{1,2}):(\d\d)(?::(\d\d))?)?", re.ASCII)
#: Years outside are what systems write for "no date", such as 0001-01-01.
_YEARS = range(1900, 2200)
#: Days since the spreadsheet's day zero; five digits are the years 1927 to 2173, so that a bare year is not a serial.
_SERIAL = re.compile(r"(\d{5})(?:[.,](\d+))?", re.ASCII)
#: Day zero of spreadsheets for every date after February 1900 (they count a 29 February 1900 that was not).
_SERIAL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - a local time, placed in its zone by the caller
_SECONDS_PER_DAY = 86_400


def parse(text: str, *, without_time: time | None) -> datetime | None:
    """Reads ISO 8601, `DD/MM/YYYY [HH:MM[:SS]]` or a spreadsheet's serial; None when it is no real time in these forms.

    The result is naive (local) unless the text names an offset. A date alone gets the time `without_time`; with None
    it is refused, for where a day is not enough. A serial is rounded to the second, which is all its fraction holds.
    """
    text = " ".join(text.split())
    try:
        if _ISO.fullmatch(text):
            read = datetime.fromisoformat(text.replace(" +", "+").replace(" Z", "Z"))
            has_time = len(text) > len("2026-11-18")
        elif found := _DAY_FIRST.fullmatch(text):
            day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
            read = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - local, as the file says
            has_time = found[4] is not None
        elif found := _SERIAL.fullmatch(text):
            fraction = float(f"0.{found[2] or 0}")
            read = _SERIAL_ZERO + timedelta(days=int(found[1]), seconds=round(fraction * _SECONDS_PER_DAY))
            has_time = fraction > 0
        else:
            return None
    except ValueError:
        return None
    if read.year not in _YEARS:
        return None
    if has_time:
        return read
    return None if without_time is None else datetime.combine(read.date(), without_time)


def processed_day(text: str) -> date | None:
    """The processed day of `--day` or the settings; None where none is said.

    Raises:
        WrongUse: It is no day.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise WrongUse(f"the day {text!r} is not of the form YYYY-MM-DD") from error


def to_utc_ms(moment: datetime, zone: ZoneInfo) -> int:
    """UTC milliseconds of a local time in `zone` (one that occurs twice is the earlier) or of one with an offset."""
    return utc_ms(moment.replace(tzinfo=zone, fold=0) if moment.tzinfo is None else moment)


def utc_ms(moment: datetime) -> int:
    """UTC milliseconds of a time that has an offset."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def local(utc_ms: int, zone: ZoneInfo) -> datetime:
    """The local time of UTC milliseconds, with its offset."""
    return (_EPOCH + timedelta(milliseconds=utc_ms)).astimezone(zone)


def local_day(utc_ms: int, zone: ZoneInfo) -> date:
    """The local day of UTC milliseconds."""
    return local(utc_ms, zone).date()


def local_iso(utc_ms: int, zone: ZoneInfo) -> str:
    """ISO 8601 with the local offset, `2026-11-18T16:30:00+01:00`; milliseconds only where there are some."""
    return local(utc_ms, zone).isoformat(timespec="milliseconds" if utc_ms % 1000 else "seconds")


def utc_compact(utc_ms: int) -> str:
    """`20261118T153000Z`: UTC to the second, for names."""
    return local(utc_ms, ZoneInfo("UTC")).strftime("%Y%m%dT%H%M%SZ")


def now_ms() -> int:
    """The wall clock, UTC milliseconds."""
    return time_ns() // 1_000_000
