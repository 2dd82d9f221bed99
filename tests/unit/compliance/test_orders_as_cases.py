"""Orders as cases: `orders.txt` says how they are told, and what must be found of each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ringtrue.messages import Answer, CallFacts, Order
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import Knowledge
from tests.unit.compliance.cases import RULES, a_call, an_order, changed, judged

MOTIFS = {"injoignable": 3, "refuse": 1, "reporte": 2, "routeur": 5, "absent": 6, "ferme": 7}
OUTCOMES = {
    "silence": 0,
    "refused": 1,
    "postponed": 2,
    "unreachable": 3,
    "other": 4,
    "router": 5,
    "absent": 6,
    "closed": 7,
    "unclassified": 9,
    "?": None,
}
OWN = {"ADSL": "ADSL_INSTALL", "VULA": "FTTH_VULA_INSTALL", "SAV/ADSL": "ADSL_SAV", "SAV/VULA": "FTTH_VULA_SAV"}
FAILURES = {
    "reached_someone",
    "too_few_attempts",
    "no_spaced_triple",
    "too_few_rings",
    "declaration_differs",
    "other_branch",
    "bad_behaviour",
    "no_call_found",
    "phrase_missing",
    "phrase_forbidden",
}
INJOIGNABLE, ALL = ("last_call", "attempts", "interval", "rings"), ("branch", "behaviour")
_FILE = Path(__file__).with_name("orders.txt")
_TIME = r"(?:\d{4}-\d\d-\d\d )?[\d:.]+"
_ORDER = re.compile(
    rf"(?P<motif>\w+) (?P<place>\S+) (?P<start>{_TIME}) to (?P<end>{_TIME})(?: raised (?P<raised>{_TIME}))?"
)
KNOWLEDGE = {
    "coverage_incomplete": Knowledge(covered_from_start=False),
    "recordings_unassigned": Knowledge(registered=1000, unassigned=2),
    "unassigned_within_tolerance": Knowledge(registered=1000, unassigned=1),
}


@dataclass(frozen=True)
class Case:
    """An order with its calls, and what must be found."""

    title: str
    order: Order
    calls: tuple[CallFacts, ...]
    rules: Ruleset
    knowledge: Knowledge
    verdict: str
    found: dict[str, str]


def read(text: str) -> Case:
    """Reads a case."""
    title, declared, *lines, expected = text.splitlines()
    told = _ORDER.fullmatch(declared)
    assert told is not None, declared
    order = an_order(
        MOTIFS[told["motif"]],
        kind="SAV" if told["place"].startswith("SAV/") else "ACQUISITION",
        category=told["place"].rpartition("/")[2],
        window=told["start"],
        raised=told["raised"] or told["start"],
        suspended=told["end"],
    )
    settings = [line.removeprefix("rules ") for line in lines if line.startswith("rules ")]
    known = [line.removeprefix("known ") for line in lines if line.startswith("known ")]
    calls = [line for line in lines if not line.startswith(("rules ", "known "))]
    verdict, _, found = expected.removeprefix("=> ").partition(": ")
    return Case(
        title=title,
        order=order,
        calls=tuple(_call(line, told["place"], number) for number, line in enumerate(calls)),
        rules=changed(**dict(_setting(one) for one in settings)) if settings else RULES,
        knowledge=KNOWLEDGE[known[0]] if known else Knowledge(),
        verdict=verdict,
        found=dict(one.split(" ", 1) for one in found.split(", ") if one),
    )


def _setting(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    if name.endswith("_phrases"):
        return name, {"ACQUISITION": (value,), "SAV": (value,)}
    if value.endswith("min"):
        return name, timedelta(minutes=int(value.removesuffix("min")))
    return name, value == "true" if value in {"true", "false"} else int(value) if value.isdecimal() else value


def _call(line: str, place: str, number: int) -> CallFacts:
    words = shlex.split(line)
    start = f"{words.pop(0)} {words.pop(0)}" if re.match(r"\d{4}-", words[0]) else words.pop(0)
    outcome, rings, branch, *odd = words
    call = a_call(
        None if start == "?" else start,
        OUTCOMES[outcome],
        None if rings == "?" else int(rings),
        branch=None if branch == "?" else OWN[place] if branch == "own" else branch,
        call_id=f"call {number}",
    )
    while odd:
        name, _, value = odd.pop(0).partition("=")
        call = _odd(call, name, odd.pop(0) if name == "said" else value)
    return call


def _odd(call: CallFacts, name: str, value: str) -> CallFacts:
    match name:
        case "failed" | "partial":
            return replace(call, status=name)
        case "voicemail":
            return replace(call, voicemail_tone=True)
        case "voicemail?":
            return replace(call, voicemail_tone=None)
        case "sure":
            return replace(call, ring_confidence=None if value == "none" else float(value))
        case "rude":
            return replace(call, behaviour=0)
        case "behaviour?":
            return replace(call, behaviour=2)
        case "id":
            return replace(call, call_id=value)
        case "ext":
            return replace(call, external_id=value)
        case "sav":
            code = OUTCOMES[value]
            assert code is not None
            return replace(call, sav=Answer(outcome=code, score=0.9, cited=()))
        case "said":
            return replace(call, transcript=value)
    raise AssertionError(f"{name} is nothing that a call can be")


def _expected(case: Case) -> dict[str, str]:
    """Each rule's result and reason: what the case says, else passed where the rule applies."""
    unreached = case.order.motif_outcome == MOTIFS["injoignable"]
    applies = [*(INJOIGNABLE if unreached else ("declaration",)), *ALL]
    phrases = [name for name in ("required_phrases", "forbidden_phrases") if any(getattr(case.rules, name).values())]
    found = dict.fromkeys((*INJOIGNABLE, "declaration"), "not_applicable")
    found |= dict.fromkeys((*applies, *phrases), case.found.get("rest", "passed"))
    return found | {rule: told for rule, told in case.found.items() if rule != "rest"}


def _told(result: str, reason: str | None, expected: str) -> str:
    """A result as cases tell it: by its reason where there is one and the case does not leave it out."""
    if reason is None or expected == result:
        return result
    failed = {"failed": reason in FAILURES, "undetermined": reason not in FAILURES | {"late_order"}}
    assert failed.get(result, reason == "late_order"), f"{result} by {reason}"
    return reason


CASES = [read(text) for text in re.split(r"\n\n+", re.sub(r"(?m)^#.*\n", "", _FILE.read_text("utf-8")).strip())]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_order_is_judged_as_the_case_says(case: Case) -> None:
    evaluation = judged(case.order, *case.calls, rules=case.rules, knowledge=case.knowledge)
    expected = _expected(case)
    found = {one.rule: _told(one.result, one.reason, expected[one.rule]) for one in evaluation.findings}
    assert found == expected
    assert evaluation.verdict == case.verdict


def test_there_are_as_many_cases_as_are_asked_for_and_each_says_what_it_is() -> None:
    assert len(CASES) >= 60
    assert len({case.title for case in CASES}) == len(CASES)
