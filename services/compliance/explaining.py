"""`ringtrue explain`: an order's story from the database, with what would have changed its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ringtrue.cli.results import complain, open_results, print_json, show
from ringtrue.results import documents, printing
from ringtrue.results.cases import Case
from ringtrue.results.facts import find_facts
from ringtrue.results.queries import Story, recordings_between, stories
from ringtrue.settings import Settings
from services.compliance.counterfactuals.search import would_change
from services.compliance.counterfactuals.trial import VERDICTS, Counterfactual
from services.compliance.counterfactuals.words import SUPPOSED
from services.compliance.facts_line import FactsLine
from services.compliance.rules import Result, lacks_calls
from services.compliance.ruleset import Ruleset, load_ruleset
from services.compliance.verdict import Knowledge, evaluate


def explain_order(number: str, *, as_json: bool) -> None:
    """Prints the story of each case of an order number, or of one case id; exits with 1 when it is not known."""
    with open_results() as (connection, settings):
        rules = load_ruleset(settings.time_zone, settings.rules)
        told = [(one, _changes(connection, one.case, rules, settings)) for one in stories(connection, number)]
    if as_json:
        print_json({"orders": [_document(one, changes, settings) for one, changes in told]})
    else:
        for one, changes in told:
            listed = [(change.verdict, change.text) for change in changes]
            show(printing.story(one, settings.zone, settings.language, listed))
    if not told:
        complain(f"order {number} is not known; see `ringtrue orders`")


def _changes(connection: sa.Connection, case: Case, rules: Ruleset, settings: Settings) -> tuple[Counterfactual, ...]:
    """What would have changed a verdict; of one that the facts and the rules of today do not give, the one they do."""
    if case.verdict not in VERDICTS:
        return ()
    order, language = case.order, settings.language
    calls = [
        FactsLine.model_validate(line).facts(line["call_id"], settings.zone, with_transcript=rules.asks_for_words)
        for line in find_facts(connection, settings.zone, client_number=order.client_number)
    ]
    knowledge = _knowledge(connection, case)
    now = evaluate(order, calls, knowledge, rules, language).verdict
    if now != case.verdict:
        return (Counterfactual(now, "judged_now", SUPPOSED[language]["judged_now"].format(order=order.number)),)
    return would_change(order, calls, knowledge, rules, language)


def _knowledge(connection: sa.Connection, case: Case) -> Knowledge:
    """What was known of a case's window when it was judged, as far as its verdict tells."""
    reasons = {finding.reason for finding in case.findings}
    if "coverage_incomplete" in reasons:
        return Knowledge(covered_from_start=False)
    if "recordings_unassigned" in reasons:
        return Knowledge(registered=case.unassigned, unassigned=case.unassigned)
    if any(finding.result == Result.FAILED.value and lacks_calls(finding) for finding in case.findings):
        return Knowledge()  # it could not have failed otherwise
    registered = recordings_between(connection, case.order.window_start_ms, case.order.suspended_at_ms)
    return Knowledge(registered=registered, unassigned=case.unassigned)


def _document(told: Story, changes: Sequence[Counterfactual], settings: Settings) -> documents.Document:
    listed = [{"verdict": one.verdict, "change": one.change, "text": one.text} for one in changes]
    return documents.story_document(told, settings.language) | {"would_change": listed}
