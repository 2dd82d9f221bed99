"""Every finding cites what it rests on: calls, seconds, facts, version and parameters."""

from dataclasses import replace

from ringtrue.messages import Evidence, Finding
from services.compliance.rules import RULES as TABLE
from tests.unit.compliance.cases import CITED, a_call, an_order, finding, judged

THREE = a_call("09:00"), a_call("11:00"), a_call("13:00")


def cited_calls(found: Finding) -> list[str]:
    return [fact.call_id.removeprefix("bucket/") for fact in found.evidence]


def test_the_last_call_is_cited_with_the_words_that_decided() -> None:
    evidence = finding(judged(an_order(), *THREE, a_call("15:00", 3)), "last_call").evidence
    assert evidence == (
        Evidence(
            call_id="bucket/15:00",
            start_ms=CITED.start_ms,
            end_ms=CITED.end_ms,
            fact="Client injoignable : « votre correspondant est injoignable »",
        ),
    )


def test_a_silent_call_is_cited_as_a_whole() -> None:
    evidence = finding(judged(an_order(), *THREE), "last_call").evidence
    assert evidence == (Evidence(call_id="bucket/13:00", fact="Silence"),)


def test_attempts_are_cited_with_their_local_times() -> None:
    evidence = finding(judged(an_order(), *THREE), "attempts").evidence
    assert [fact.fact for fact in evidence] == [
        f"appel du 2026-11-18 {clock}:00" for clock in ("09:00", "11:00", "13:00")
    ]


def test_the_spaced_triple_is_cited_and_no_other_attempt() -> None:
    evaluation = judged(an_order(), *THREE, a_call("13:30"), a_call("10:00", 4))
    assert cited_calls(finding(evaluation, "interval")) == ["09:00", "11:00", "13:00"]


def test_rings_are_cited_from_the_first_to_the_last() -> None:
    evidence = finding(judged(an_order(), *THREE), "rings").evidence
    assert [(fact.start_ms, fact.end_ms, fact.fact) for fact in evidence] == [(0, 21_500, "5 tonalité(s)")] * 3


def test_a_voicemail_tone_is_said_beside_the_rings() -> None:
    calls = a_call("09:00"), a_call("11:00", rings=1, voicemail=True), a_call("13:00")
    assert finding(judged(an_order(), *calls), "rings").evidence[1].fact == "1 tonalité(s), puis tonalité de messagerie"


def test_when_rings_fail_the_triple_whose_fewest_rings_are_greatest_is_cited() -> None:
    calls = [a_call(start, rings=rings) for start, rings in (("09:00", 1), ("09:30", 3), ("11:30", 4), ("13:30", 3))]
    assert cited_calls(finding(judged(an_order(), *calls), "rings")) == ["09:30", "11:30", "13:30"]


def test_a_foreign_branch_is_cited() -> None:
    evidence = finding(judged(an_order(), *THREE, a_call("15:00", branch="ADSL_SAV")), "branch").evidence
    assert evidence == (Evidence(call_id="bucket/15:00", fact="branche ADSL_SAV"),)


def test_findings_carry_version_and_parameters() -> None:
    found = finding(judged(an_order(), *THREE), "interval")
    assert found.version == next(rule.version for rule in TABLE if rule.name == "interval")
    assert found.parameters == {"min_gap": "2:00:00", "late_from": "17:00:00", "time_zone": "Africa/Casablanca"}
    assert finding(judged(an_order(), *THREE), "branch").parameters == {
        "min_branch_calls": "3",
        "branch": "ADSL_INSTALL",
    }


def test_attempts_show_only_what_is_established() -> None:
    unsure = a_call("11:00", 9, rings=4, confidence=0.4, behaviour=2)
    attempt = judged(an_order(), unsure).attempts[0]
    assert (attempt.outcome, attempt.behaviour, attempt.ring_count, attempt.ring_confidence) == (None, None, None, 0.4)
    attempt = judged(an_order(), a_call("11:00", 4)).attempts[0]
    assert (attempt.outcome, attempt.behaviour, attempt.ring_count) == (4, 1, 5)


def test_verdicts_speak_english_too() -> None:
    evaluation = judged(an_order(), a_call("09:00", 1), language="en")
    assert evaluation.comment == (
        "Last call not compliant (client reached: Client refuses the installation); Fewer than 3 calls found; "
        "No sequence of 3 calls 2h apart"
    )


def test_the_same_facts_in_any_order_give_the_same_evaluation() -> None:
    calls = [*THREE, a_call("15:00", None, status="failed"), replace(a_call(None, call_id="undated"), branch=None)]
    assert judged(an_order(), *calls) == judged(an_order(), *reversed(calls))
