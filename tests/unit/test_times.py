"""Wall times: what spreadsheets and sidecars hold, placed in the operator's zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.times import END_OF_DAY, START_OF_DAY, local, local_day, local_iso, parse, to_utc_ms, utc_compact

CASABLANCA = ZoneInfo("Africa/Casablanca")
PARIS = ZoneInfo("Europe/Paris")


def utc_ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


def read(text: str) -> str | None:
    moment = parse(text, without_time=START_OF_DAY)
    return None if moment is None else moment.isoformat(sep=" ")


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-18 10:30:00",
        "2026-11-18T10:30:00",
        "2026-11-18 10:30",
        "2026-11-18 10:30:00.000",
        " 18/11/2026  10:30 ",
        "18/11/2026 10:30:00",
        "46344.4375",
        "46344,4375",
        "46344.43750000001",
    ],
)
def test_every_form_of_a_time_is_the_same_time(written: str) -> None:
    assert read(written) == "2026-11-18 10:30:00"


def test_days_come_before_months() -> None:
    assert read("01/02/2026 09:05:07") == read("1/2/2026 9:05:07") == "2026-02-01 09:05:07"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "demain",
        "31/02/2026",
        "2026-13-01",
        "2026",
        "20261118",
        "18-11-2026",
        "2026-11-18 25:00",
        "0001-01-01",
        "4634",
    ],
)
def test_what_is_no_real_time_is_refused(written: str) -> None:
    assert read(written) is None


@pytest.mark.parametrize("written", ["2026-11-18", "18/11/2026", "46344", "46344.0"])
def test_a_date_alone_is_midnight_for_an_order_and_the_last_second_for_a_suspension(written: str) -> None:
    assert parse(written, without_time=START_OF_DAY) == datetime.fromisoformat("2026-11-18T00:00:00")
    assert parse(written, without_time=END_OF_DAY) == datetime.fromisoformat("2026-11-18T23:59:59")
    assert parse(written, without_time=None) is None


def test_a_midnight_that_is_written_stays_midnight() -> None:
    assert parse("2026-11-18 00:00:00", without_time=END_OF_DAY) == datetime.fromisoformat("2026-11-18T00:00:00")


@pytest.mark.parametrize(
    "written", ["2026-11-18T09:30:00Z", "2026-11-18T09:30:00.000+0000", "2026-11-18 11:30:00 +02:00"]
)
def test_a_time_that_names_its_offset_keeps_it(written: str) -> None:
    moment = parse(written, without_time=None)
    assert moment is not None
    assert to_utc_ms(moment, CASABLANCA) == utc_ms(2026, 11, 18, 9, 30)


def test_casablanca_is_an_hour_ahead_except_in_ramadan() -> None:
    noon = parse("2026-11-18 12:00:00", without_time=None)
    ramadan = parse("2026-03-01 12:00:00", without_time=None)
    assert noon is not None
    assert ramadan is not None
    assert to_utc_ms(noon, CASABLANCA) == utc_ms(2026, 11, 18, 11)
    assert to_utc_ms(ramadan, CASABLANCA) == utc_ms(2026, 3, 1, 12)


def test_a_local_time_that_occurs_twice_is_the_earlier() -> None:
    # Paris, 25 October 2026: 02:30 comes at 00:30 UTC and again at 01:30 UTC. Casablanca, 15 February: 02:30 likewise.
    twice = parse("2026-10-25 02:30:00", without_time=None)
    assert twice is not None
    assert to_utc_ms(twice, PARIS) == utc_ms(2026, 10, 25, 0, 30)
    assert to_utc_ms(twice.replace(fold=1), PARIS) == utc_ms(2026, 10, 25, 0, 30)
    in_morocco = parse("2026-02-15 02:30:00", without_time=None)
    assert in_morocco is not None
    assert to_utc_ms(in_morocco, CASABLANCA) == utc_ms(2026, 2, 15, 1, 30)


@given(st.integers(utc_ms(1975, 1, 1), utc_ms(2090, 1, 1)), st.sampled_from([CASABLANCA, PARIS, ZoneInfo("UTC")]))
def test_what_is_shown_reads_back_as_the_same_moment(moment_ms: int, zone: ZoneInfo) -> None:
    shown = parse(local_iso(moment_ms, zone), without_time=None)
    assert shown is not None
    assert to_utc_ms(shown, zone) == moment_ms


def test_local_times_are_shown_with_their_offset() -> None:
    moment_ms = utc_ms(2026, 11, 18, 23, 15)
    assert local_iso(moment_ms, CASABLANCA) == "2026-11-19T00:15:00+01:00"
    assert local_iso(moment_ms + 20, CASABLANCA) == "2026-11-19T00:15:00.020+01:00"
    assert local_day(moment_ms, CASABLANCA).isoformat() == "2026-11-19"
    assert local(moment_ms, CASABLANCA).hour == 0
    assert utc_compact(moment_ms) == "20261118T231500Z"
