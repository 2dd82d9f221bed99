"""What is known of calls is held packed, and given back whole."""

from dataclasses import fields, replace

from ringtrue.messages import Answer, CallFacts, Failure, Span
from services.compliance.known_calls import KnownCalls
from tests.unit.compliance.cases import a_call

BARE = a_call("09:00")
CLIENT = BARE.client_number
SPAN = Span(start_ms=1_000, end_ms=2_500, text="العلبة الصوتية")
FULL = CallFacts(
    call_id="recordings/a",
    client_number=CLIENT,
    run=7,
    revision=9,
    retracted=True,
    final=True,
    status="partial",
    failure=Failure(stage="asr", reason="late", message="one segment is missing"),
    external_id="ivr-1",
    started_at_ms=1_794_985_200_000,
    branch="ADSL_INSTALL",
    duration_ms=33_000,
    acquisition=Answer(outcome=3, score=0.75, cited=(SPAN,)),
    sav=Answer(outcome=6, score=0.5, cited=()),
    behaviour=0,
    ring_count=5,
    ring_confidence=0.97,
    voicemail_tone=False,
    rings=(SPAN, replace(SPAN, start_ms=6_000, end_ms=7_500)),
    transcript="allô",
    ended_at_ms=1_794_985_233_000,
    arrived_at_ms=1_794_985_300_000,
    busy_tone=True,
    fingerprint=b"\x00\xff",
    models="0123456789abcdef",
    event_time_ms=5,
)


def test_a_call_is_given_back_as_it_was_taken_in_whatever_is_known_of_it() -> None:
    assert all(getattr(FULL, field.name) is not None for field in fields(CallFacts))
    unknown = replace(FULL, call_id="recordings/b", failure=None, acquisition=None, sav=None, started_at_ms=None)
    calls = KnownCalls({CLIENT})
    for call in (FULL, unknown, BARE):
        assert calls.add(call)
    assert list(calls.of(CLIENT)) == [FULL, unknown, BARE]


def test_of_two_lines_about_one_call_the_earlier_start_stands_and_any_start_before_none() -> None:
    calls = KnownCalls({CLIENT})
    undated, late, early = (replace(BARE, started_at_ms=start_ms) for start_ms in (None, 2_000, 1_000))
    assert [calls.add(call) for call in (undated, late, early, late, undated)] == [True, False, False, False, False]
    assert list(calls.of(CLIENT)) == [early]


def test_calls_of_clients_without_an_order_are_counted_and_not_held() -> None:
    calls = KnownCalls(set())
    calls.add(replace(FULL, client_number=""))
    assert (calls.unassigned(), list(calls.of(CLIENT)), list(calls.of(""))) == (1, [], [])
