"""Checks of the evidence warn of what is odd about an order's attempts; one may be made a rule."""

from dataclasses import replace

import pytest

from ringtrue import fingerprint
from ringtrue.messages import CallFacts, Finding
from services.compliance.rules_shown import explain_rules
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import Evaluation
from tests.unit.compliance.cases import RULES, a_call, an_order, changed, finding, judged, results

THREE = a_call("09:00"), a_call("11:00"), a_call("13:00")
#: Hung up 1.5 s after the third ring, without an answer or a busy tone.
HUNG_UP = a_call("11:00", rings=3, busy=False, duration_ms=13_000)


def warnings(evaluation: Evaluation) -> dict[str, Finding]:
    return {found.rule: found for found in evaluation.warnings}


@pytest.fixture
def the_same_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fingerprints are the same sound when their bytes are; what real ones tell is tested where they are made."""

    def compare(a: bytes, b: bytes, least_similarity: float) -> fingerprint.Match | None:
        assert least_similarity == RULES.same_audio_similarity
        if a != b:
            return None
        return fingerprint.Match(
            similarity=0.97,
            offset_ms=0,
            compared_ms=6_000,
            start_ms=500,
            end_ms=8_500,
            other_start_ms=500,
            other_end_ms=8_500,
        )

    monkeypatch.setattr(fingerprint, "compare", compare)
    monkeypatch.setattr(fingerprint, "is_readable", lambda _: True)


def counting(name: str) -> Ruleset:
    return changed(checks_that_count=(name,))


def test_what_is_in_order_warns_of_nothing() -> None:
    assert judged(an_order(), *THREE).warnings == ()


@pytest.mark.usefixtures("the_same_sound")
def test_one_recording_for_two_attempts_warns_and_cites_both() -> None:
    calls = a_call("09:00", fingerprint=b"a"), a_call("11:00", fingerprint=b"b"), a_call("13:00", fingerprint=b"a")
    evaluation = judged(an_order(), *calls)
    warned = warnings(evaluation)["same_audio"]
    assert [(fact.call_id, fact.start_ms, fact.end_ms) for fact in warned.evidence] == [
        ("bucket/09:00", 500, 8_500),
        ("bucket/13:00", 500, 8_500),
    ]
    assert warned.evidence[0].fact == "même son que bucket/13:00 à 97 %"
    assert warned.reason == "audio_used_twice"
    assert evaluation.verdict == judged(an_order(), *THREE).verdict == "compliant"


@pytest.mark.usefixtures("the_same_sound")
def test_of_many_calls_that_sound_alike_a_bounded_number_is_cited() -> None:
    calls = [a_call(f"{8 + n // 60:02}:{n % 60:02}", fingerprint=b"a") for n in range(120)]
    warned = warnings(judged(an_order(), *calls))["same_audio"]
    assert len(warned.evidence) == 50
    counted = judged(
        an_order(),
        *(replace(call, fingerprint=b"%d" % n) for n, call in enumerate(calls)),
        rules=counting("same_audio"),
    )
    assert results(counted)["same_audio"] == "undetermined evidence_unknown"


@pytest.mark.parametrize(
    ("check", "call"),
    [("recording_length", a_call("09:00", ended="09:05")), ("start_times", a_call("09:00", ended="08:00"))],
)
def test_what_a_machine_may_have_done_is_only_to_be_reviewed_when_it_counts(check: str, call: CallFacts) -> None:
    assert judged(an_order(), call, *THREE[1:], rules=counting(check)).verdict == "to_review"


def test_the_rules_in_force_name_the_checks_that_count() -> None:
    assert "early_hang_up (v1): Aucun raccrochage avant 5 tonalités." in explain_rules(counting("early_hang_up"), "fr")
    assert "early_hang_up" not in explain_rules(RULES, "fr")


def test_a_damaged_fingerprint_stops_nothing() -> None:
    calls = [a_call(start, fingerprint=b"no") for start in ("09:00", "11:00", "13:00")]
    assert judged(an_order(), *calls).warnings == ()
    counted = judged(an_order(), *calls, rules=counting("same_audio"))
    assert results(counted)["same_audio"] == "undetermined evidence_unknown"


@pytest.mark.usefixtures("the_same_sound")
def test_a_conversation_that_repeats_itself_is_no_chance() -> None:
    calls = a_call("09:00", 1, fingerprint=b"a"), a_call("11:00", 1, fingerprint=b"a")
    found = finding(judged(an_order(1), *calls, rules=counting("same_audio")), "same_audio")
    assert (found.result, found.comment) == ("failed", "Même enregistrement pour deux appels")


@pytest.mark.usefixtures("the_same_sound")
def test_an_announcement_that_sounds_the_same_is_only_to_be_reviewed() -> None:
    calls = [a_call(start, 3, fingerprint=b"a") for start in ("09:00", "11:00", "13:00")]
    evaluation = judged(an_order(), *calls, rules=counting("same_audio"))
    assert finding(evaluation, "same_audio").result == "undetermined"
    assert evaluation.verdict == "to_review"
    assert evaluation.comment == "Enregistrements distincts à vérifier : Même enregistrement pour deux appels"


@pytest.mark.parametrize(
    ("ended", "warned"), [("09:00:30", False), ("09:00:40", False), ("09:00:41", True), ("09:00:19", True)]
)
def test_a_recording_is_as_long_as_its_dates_say_within_ten_seconds(ended: str, warned: bool) -> None:
    evaluation = judged(an_order(), a_call("09:00", ended=ended), *THREE[1:])
    assert ("recording_length" in warnings(evaluation)) == warned


def test_the_two_lengths_are_told() -> None:
    evaluation = judged(an_order(), a_call("09:00", ended="09:02"), *THREE[1:])
    assert warnings(evaluation)["recording_length"].evidence[0].fact == (
        "enregistrement de 30 s, appel de 120 s d'après ses dates"
    )


def test_a_recording_that_broke_off_is_not_blamed_for_its_length() -> None:
    evaluation = judged(an_order(), a_call("09:00", status="partial", ended="09:02"), *THREE[1:])
    assert warnings(evaluation) == {}


def test_hanging_up_while_it_rings_warns_and_cites_the_last_ring() -> None:
    evaluation = judged(an_order(), THREE[0], HUNG_UP, THREE[2])
    warned = warnings(evaluation)["early_hang_up"]
    assert [(fact.start_ms, fact.end_ms, fact.fact) for fact in warned.evidence] == [
        (10_000, 13_000, "raccroché 1.5 s après la tonalité n° 3, sans réponse ni tonalité d'occupation")
    ]
    assert warned.comment == "Appel raccroché avant 5 tonalités"


@pytest.mark.parametrize(
    "call",
    [
        replace(HUNG_UP, busy_tone=True),
        replace(HUNG_UP, busy_tone=None),
        replace(HUNG_UP, voicemail_tone=True),
        replace(HUNG_UP, ring_confidence=0.5),
        replace(HUNG_UP, duration_ms=60_000),
        a_call("11:00", 1, rings=3, busy=False, duration_ms=13_000),
        a_call("11:00", rings=5, busy=False, duration_ms=23_000),
    ],
    ids=["busy", "busy unknown", "voicemail", "unsure count", "long after", "someone answered", "rings enough"],
)
def test_a_call_that_ended_otherwise_was_not_hung_up_early(call: CallFacts) -> None:
    assert "early_hang_up" not in warnings(judged(an_order(), THREE[0], call, THREE[2]))


def test_early_hang_up_asks_only_where_rings_are_asked_for() -> None:
    assert judged(an_order(1), a_call("09:00", 1), HUNG_UP).warnings == ()
    assert judged(an_order(), THREE[0], HUNG_UP, rules=changed(min_rings=0)).warnings == ()


@pytest.mark.parametrize(
    ("calls", "fact"),
    [
        (
            [a_call("09:00", ended="08:59")],
            "fin 2026-11-18 08:59:00 avant le début 2026-11-18 09:00:00",
        ),
        (
            [a_call("09:00", arrived="08:54:59")],
            "début 2026-11-18 09:00:00, mais enregistrement déjà reçu 2026-11-18 08:54:59",
        ),
        (
            [a_call("09:00", ended="09:20", duration_ms=1_200_000), a_call("09:10")],
            "début 2026-11-18 09:10:00 avant la fin 2026-11-18 09:20:00 de bucket/09:00",
        ),
    ],
    ids=["ends first", "from the future", "overlaps"],
)
def test_impossible_times_warn(calls: list[CallFacts], fact: str) -> None:
    assert [told.fact for told in warnings(judged(an_order(), *calls))["start_times"].evidence] == [fact]


def test_clocks_may_be_five_minutes_apart() -> None:
    calls = a_call("09:00", arrived="08:55"), a_call("11:00", ended="11:07", duration_ms=420_000), a_call("11:02")
    assert judged(an_order(), *calls).warnings == ()


def test_a_check_that_is_made_a_rule_decides() -> None:
    calls = THREE[0], replace(HUNG_UP, voicemail_tone=False), THREE[2], a_call("15:00")
    rules = changed(checks_that_count=("early_hang_up",))
    evaluation = judged(an_order(), *calls, rules=rules)
    assert evaluation.verdict == "non_compliant"
    assert results(evaluation)["early_hang_up"] == "failed hung_up_early"
    assert evaluation.warnings == ()
    assert finding(evaluation, "early_hang_up").parameters == {"min_rings": "5", "min_ring_confidence": "0.9"}


def test_facts_that_are_not_known_leave_a_check_that_counts_undetermined() -> None:
    evaluation = judged(an_order(), *THREE, rules=counting("start_times"))
    assert results(evaluation)["start_times"] == "undetermined evidence_unknown"


def test_a_check_that_counts_passes_when_all_is_known_and_in_order() -> None:
    calls = [a_call(f"{hour}:00", ended=f"{hour}:00:30", arrived=f"{hour}:01") for hour in ("09", "11", "13")]
    evaluation = judged(an_order(), *calls, rules=counting("start_times"))
    assert results(evaluation)["start_times"] == "passed"
    assert evaluation.verdict == "compliant"


def test_without_a_call_no_check_applies() -> None:
    evaluation = judged(an_order(), rules=counting("start_times"))
    assert results(evaluation)["start_times"] == "not_applicable"


def test_a_call_without_a_date_leaves_a_check_that_counts_undetermined() -> None:
    calls = [a_call(f"{hour}:00", ended=f"{hour}:00:30", arrived=f"{hour}:01") for hour in ("09", "11", "13")]
    undated = a_call(None, call_id="bucket/x", ended="14:00", arrived="14:01")
    evaluation = judged(an_order(), *calls, undated, rules=counting("start_times"))
    assert results(evaluation)["start_times"] == "undetermined evidence_unknown"


def test_the_order_of_the_list_of_checks_changes_no_hash() -> None:
    one = changed(checks_that_count=("start_times", "same_audio"))
    other = changed(checks_that_count=("same_audio", "start_times"))
    assert one == other
    assert one != RULES
