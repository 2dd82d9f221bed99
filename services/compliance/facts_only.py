"""Judging from facts alone, without log, audio or server, by the functions by which the service judges.

Coverage is taken as complete: the facts hold every call there was. The recordings among them without a client number
count as they do for the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from ringtrue.messages import Finding, HourCount, Order
from ringtrue.outcomes import Language
from ringtrue.results.cases import Case
from services.compliance import coverage
from services.compliance.in_force import rules_hash
from services.compliance.known_calls import KnownCalls
from services.compliance.ruleset import Ruleset
from services.compliance.verdict import Knowledge, evaluate, has_a_say

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Declared:
    """An order that counts, with the manifest that holds it and its line there."""

    order: Order
    manifest: str
    row: int


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that weighs otherwise under other rules; None where it is no part of the verdict."""

    rule: str
    before: Finding | None
    after: Finding | None


@dataclass(frozen=True, slots=True)
class Flip:
    """An order whose verdict is another one under other rules, and the rules that make it so."""

    before: Case
    after: Case
    changes: tuple[Change, ...]


def judge_all(
    orders: Iterable[Declared], calls: KnownCalls, rules: Ruleset, language: Language, layouts_hash: str, now_ms: int
) -> Iterator[Case]:
    """The case of each order, in their order."""
    told_by = rules_hash(rules)
    hours = calls.hours()

    @cache
    def known(first_hour: int, last_hour: int) -> Knowledge:
        return _knowledge(hours, first_hour * _HOUR_MS, last_hour * _HOUR_MS)

    for declared in orders:
        order = declared.order
        knowledge = known(order.window_start_ms // _HOUR_MS, order.suspended_at_ms // _HOUR_MS)
        found = evaluate(order, calls.of(order.client_number), knowledge, rules, language)
        yield Case(
            order=order,
            manifest=declared.manifest,
            row=declared.row,
            verdict=found.verdict,
            findings=found.findings,
            attempts=found.attempts,
            comment=found.comment,
            unassigned=knowledge.unassigned,
            rules_hash=told_by,
            judged_at_ms=now_ms,
            warnings=found.warnings,
            layouts_hash=layouts_hash,
            models_hash=found.models_hash or "",
            inputs_hash=found.inputs_hash or "",
        )


def flips(
    before: Iterable[Case], after: Iterable[Case], rules_before: Ruleset, rules_after: Ruleset
) -> Iterator[Flip | None]:
    """For each order, judged under two rule sets, how its verdict flips; None when it does not."""
    for one, other in zip(before, after, strict=True):
        if one.verdict == other.verdict:
            yield None
        else:
            yield Flip(one, other, tuple(_changes(one, other, rules_before, rules_after)))


def _changes(before: Case, after: Case, rules_before: Ruleset, rules_after: Ruleset) -> Iterator[Change]:
    for rule in dict.fromkeys(finding.rule for finding in (*before.findings, *after.findings)):
        one, other = _weighed(before, rule, rules_before), _weighed(after, rule, rules_after)
        if (one and (one.result, one.reason)) != (other and (other.result, other.reason)):
            yield Change(rule, one, other)


def _weighed(case: Case, rule: str, rules: Ruleset) -> Finding | None:
    finding = case.finding(rule)
    return finding if finding and has_a_say(finding, rules) else None


def _knowledge(hours: tuple[HourCount, ...], start_ms: int, end_ms: int) -> Knowledge:
    total = coverage.in_window(hours, start_ms, end_ms)
    return Knowledge(registered=total.registered, unassigned=total.unassigned)
