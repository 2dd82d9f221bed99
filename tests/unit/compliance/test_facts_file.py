"""Lines of facts: what each field may be, and what is left of a line with a mistake in it."""

import json
from pathlib import Path

import pytest

from ringtrue.errors import WrongUse
from ringtrue.messages import CallFacts
from services.compliance.facts_file import Remark, read_facts
from services.compliance.known_calls import KnownCalls
from tests.unit.compliance.cases import ZONE, at

CLIENT = "212612345678"
LINE = {
    "call_id": "c1",
    "client_number": "0612345678",
    "technician": "0700000001",
    "started_at": "2026-11-18 10:00:00",
    "ended_at": "2026-11-18T10:00:40+01:00",
    "branch": "ADSL_INSTALL",
    "status": "ok",
    "outcome": 0,
    "behaviour": 1,
    "ring_count": 5,
    "ring_confidence": 0.97,
    "voicemail_tone": False,
    "transcript": "allô",
}


def read(folder: Path, *lines: object) -> tuple[KnownCalls, list[Remark]]:
    path = folder / "facts.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    calls = KnownCalls({CLIENT})
    return calls, list(read_facts(path, calls, ZONE))


def one(folder: Path, **changes: object) -> CallFacts:
    """The call of a line that is as it should be."""
    calls, remarks = read(folder, LINE | changes)
    assert not remarks
    (call,) = calls.of(CLIENT)
    return call


def left(folder: Path, **changes: object) -> tuple[CallFacts, str]:
    """The call of a line with a mistake, and what is said of it."""
    calls, (remark,) = read(folder, LINE | changes)
    (call,) = calls.of(CLIENT)
    assert remark.is_mistake
    return call, remark.text


def test_a_whole_line_is_read(tmp_path: Path) -> None:
    call = one(tmp_path)
    assert (call.call_id, call.client_number, call.started_at_ms) == ("c1", CLIENT, at("10:00"))
    assert (call.status, call.branch, call.behaviour) == ("complete", "ADSL_INSTALL", 1)
    assert (call.ring_count, call.ring_confidence, call.voicemail_tone) == (5, 0.97, False)
    assert call.acquisition is not None
    assert call.acquisition.outcome == 0
    assert call.final


def test_everything_may_be_absent_or_null(tmp_path: Path) -> None:
    calls, remarks = read(tmp_path, {"client_number": CLIENT}, {**dict.fromkeys(LINE), "client_number": CLIENT})
    assert not remarks
    assert [call.call_id for call in calls.of(CLIENT)] == ["facts.jsonl:1", "facts.jsonl:2"]
    for call in calls.of(CLIENT):
        assert {call.acquisition, call.sav, call.ring_count, call.branch, call.started_at_ms} == {None}


def test_a_number_is_the_same_client_in_every_form(tmp_path: Path) -> None:
    for written in ("+212 6 12 34 56 78", 612345678, "06.12.34.56.78", 6.12345678e8):
        assert one(tmp_path, client_number=written).client_number == CLIENT


def test_a_local_time_that_occurs_twice_is_the_earlier(tmp_path: Path) -> None:
    # Morocco left UTC+1 for UTC on 2026-02-15 at 03:00, which was 02:00 again.
    assert one(tmp_path, started_at="2026-02-15 02:30:00") == one(tmp_path, started_at="2026-02-15T02:30:00+01:00")


def test_each_type_has_its_outcome(tmp_path: Path) -> None:
    call = one(tmp_path, outcome=None, outcomes={"ACQUISITION": 2, "SAV": 6})
    assert call.acquisition is not None
    assert call.sav is not None
    assert (call.acquisition.outcome, call.sav.outcome) == (2, 6)


def test_what_only_sav_orders_know_says_nothing_of_an_acquisition_order(tmp_path: Path) -> None:
    call = one(tmp_path, outcome=6)
    assert call.acquisition is None
    assert call.sav is not None
    assert call.sav.outcome == 6


@pytest.mark.parametrize(
    ("changes", "transcript"),
    [
        ({}, "allô"),
        ({"status": "partial"}, "allô"),
        ({"status": None}, "allô"),
        ({"status": None, "outcome": None}, None),
        ({"status": "failed"}, None),
    ],
)
def test_a_transcript_counts_when_the_call_is_known_to_be_transcribed(
    tmp_path: Path, changes: dict[str, object], transcript: str | None
) -> None:
    assert one(tmp_path, **changes).transcript == transcript


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcome": 8}, "outcome=8: 0 to 7 and 9 are allowed"),
        ({"outcome": True}, "outcome=true: Input should be a valid integer"),
        ({"outcomes": {"ACQUISITION": 6}}, "outcomes.ACQUISITION=6: 0 to 4 and 9 are allowed"),
        ({"status": "complete"}, "status=\"complete\": Input should be 'ok', 'partial' or 'failed'"),
        ({"behaviour": 3}, "behaviour=3: Input should be less than or equal to 2"),
        ({"ring_count": -1}, "ring_count=-1: Input should be greater than or equal to 0"),
        ({"ring_confidence": 90}, "ring_confidence=90: Input should be less than or equal to 1"),
        ({"fingerprint": "no!"}, 'fingerprint="no!": '),
        ({"rings": [[0, "x"]]}, 'rings.0.1="x": Input should be a valid integer'),
        ({"voicemail_tone": "no"}, 'voicemail_tone="no": Input should be a valid boolean'),
        ({"ring_cuont": 5}, "ring_cuont: there is no such field; there are call_id, "),
        ({"started_at": "soon"}, 'started_at="soon": a time in ISO 8601 is expected'),
        ({"started_at": 1_700_000_000}, "started_at=1700000000: a time in ISO 8601 is expected"),
    ],
)
def test_a_mistake_is_named_and_nothing_that_was_heard_is_taken_from_its_line(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    call, told = left(tmp_path, **changes)
    assert "facts.jsonl, line 1: " in told
    assert said in told
    assert (call.call_id, call.branch) == ("c1", "ADSL_INSTALL")
    assert call.started_at_ms == (None if "started_at" in changes else at("10:00"))
    assert {call.acquisition, call.sav, call.ring_count, call.voicemail_tone, call.behaviour} == {None}


def test_what_is_nobodys_is_counted_by_hour_and_may_be_of_any_when_undated(tmp_path: Path) -> None:
    calls, remarks = read(
        tmp_path,
        LINE,
        LINE | {"client_number": None},
        LINE | {"client_number": "12"},
        '{"call_id": "x',
        "[]",
        "",
    )
    assert [remark.text.split(": ")[1].split("=")[0] for remark in remarks] == [
        "client_number",
        "a JSON object is expected",
        "a JSON object is expected",
    ]
    assert calls.unassigned() == 4
    dated, undated = calls.hours()
    assert (dated.hour_ms, dated.registered, dated.unassigned) == (at("10:00"), 3, 2)
    assert undated.undated == 2
    assert len(calls.of(CLIENT)) == 1


def test_no_hours_are_told_when_every_recording_has_a_client(tmp_path: Path) -> None:
    calls, _ = read(tmp_path, LINE, LINE | {"client_number": "0699999999"})
    assert calls.hours() == ()
    assert not calls.of("212699999999")


def test_a_call_that_is_told_of_twice_counts_once_by_its_earlier_start(tmp_path: Path) -> None:
    calls, (remark,) = read(tmp_path, LINE, LINE | {"started_at": "2026-11-18 09:00:00"})
    assert [call.started_at_ms for call in calls.of(CLIENT)] == [at("09:00")]
    assert not remark.is_mistake
    assert "c1" in remark.text


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    calls, remarks = read(tmp_path, "\ufeff" + json.dumps(LINE) + "\r", "\r")
    assert not remarks
    assert len(calls.of(CLIENT)) == 1


def test_a_line_of_any_length_or_depth_stops_no_other(tmp_path: Path) -> None:
    calls, remarks = read(tmp_path, '{"transcript": "' + "x" * 9_000_000 + '"}', "[" * 100_000, LINE)
    assert [remark.text.split(": ")[0][-6:] for remark in remarks] == ["line 1", "line 2"]
    assert len(calls.of(CLIENT)) == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="none"):
        list(read_facts(tmp_path / "none.jsonl", KnownCalls(set()), ZONE))
