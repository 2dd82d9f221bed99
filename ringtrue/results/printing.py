"""What the commands print for people: tables of cases, calls, stories and dead letters.

Keys, transcripts and messages come from outside, so nothing of them is taken for markup or sent to the terminal as a
control sequence.
"""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ringtrue import times
from ringtrue.messages import Attempt, Evidence, Finding
from ringtrue.outcomes import Language, label
from ringtrue.results.calls import Call
from ringtrue.results.cases import Case
from ringtrue.results.queries import Letter, Story

_COLOURS = {
    "compliant": "green",
    "non_compliant": "red",
    "to_review": "yellow",
    "pending": "cyan",
    "withdrawn": "dim",
    "passed": "green",
    "failed": "red",
    "undetermined": "yellow",
    "not_applicable": "dim",
    "finished": "green",
    "in_flight": "cyan",
    "unknown": "red",
    "not_wanted": "dim",
}
_SAID_CHARACTERS = 60
#: Columns that would be of no use cut in two.
_WHOLE = frozenset({"order", "client", "day", "verdict", "rule", "result", "state", "rings", "id"})


def cases_table(cases: Sequence[Case], zone: ZoneInfo) -> RenderableType:
    """One line per case."""
    table = _table("order", "client", "day", "motif", "verdict", "why")
    for case in cases:
        order = case.order
        day = times.local_day(order.suspended_at_ms, zone).isoformat()
        comment = case.comment or "; ".join(case.waiting_for)
        table.add_row(
            *_plain(order.number, order.client_number, day, order.motif), coloured(case.verdict), *_plain(comment)
        )
    return table


def findings_table(case: Case, zone: ZoneInfo) -> RenderableType:
    """A case's verdict with a line for each finding."""
    order = case.order
    title = (
        f"{order.number}: {order.motif}, suspended {moment(order.suspended_at_ms, zone)}, client {order.client_number}"
    )
    verdict = Text.assemble("  ", coloured(case.verdict), *_plain(f"  {case.comment}" if case.comment else ""))
    if not case.findings:
        return Group(*_plain(title), verdict, *_plain(*(f"  waits for: {what}" for what in case.waiting_for)))
    table = _table("rule", "result", "why", "evidence")
    for finding in (*case.findings, *case.warnings):
        evidence = Text("\n").join(_plain(*(_cited(item) for item in finding.evidence)))
        result = Text("warning", style="yellow") if finding in case.warnings else coloured(finding.result)
        table.add_row(*_plain(finding.rule), result, *_plain(_why(finding)), evidence)
    return Group(*_plain(title), verdict, table)


def story(told: Story, zone: ZoneInfo, language: Language) -> RenderableType:
    """The story of a case: what was declared, what was found, the attempts and what was said in them, the history."""
    case, order = told.case, told.case.order
    window = f"{moment(order.window_start_ms, zone)} to {moment(order.suspended_at_ms, zone)}"
    parts: list[RenderableType] = [
        findings_table(case, zone),
        *_plain(f"{order.kind} {order.category}, row {case.row} of {case.manifest}; calls count from {window}"),
    ]
    if case.unassigned:
        parts += _plain(f"{case.unassigned} recordings of these hours have no client number")
    attempts = _table("attempt", "call", "status", "outcome", "rings", "branch", "what was said")
    for attempt in told.attempts:
        said = f"{seconds(attempt.start_ms, attempt.end_ms)} {attempt.excerpt}" if attempt.excerpt else ""
        attempts.add_row(*_plain(*_attempted(attempt.attempt, zone, language), said))
    parts.append(attempts if told.attempts else Text("no attempt was found"))
    if len(told.history) > 1:
        past = _table("judged", "verdict", "why", "rules")
        for verdict in told.history:
            judged = moment(verdict.judged_at_ms, zone)
            past.add_row(judged, coloured(verdict.verdict), *_plain(verdict.comment, verdict.rules_hash))
        parts += [Text("every verdict so far:"), past]
    return Group(*parts)


def calls_table(calls: Sequence[Call], zone: ZoneInfo, language: Language) -> RenderableType:
    """One line per call."""
    table = _table("start", "client", "call", "state", "outcome", "rings", "said, or why not")
    for call in calls:
        said = call.text if len(call.text) <= _SAID_CHARACTERS else call.text[:_SAID_CHARACTERS] + "…"
        table.add_row(
            *_plain(moment(call.started_at_ms, zone), call.client_number or "unassigned", call.call_id),
            coloured(call.state),
            *_plain(
                "" if call.acquisition is None else label(call.acquisition, language),
                _number(call.heard.ring_count if call.heard else None),
                call.failure.message if call.failure else said,
            ),
        )
    return table


def letters_table(letters: Iterable[Letter]) -> RenderableType:
    """One line per dead letter."""
    table = _table("id", "worker", "error", "what happened, what to do")
    for letter in letters:
        table.add_row(*_plain(letter.id, letter.worker, letter.error, letter.message))
    return table


def moment(utc_ms: int | None, zone: ZoneInfo) -> str:
    """A local date and time; empty when there is none."""
    return "" if utc_ms is None else times.local(utc_ms, zone).strftime("%Y-%m-%d %H:%M:%S")


def seconds(start_ms: int | None, end_ms: int | None) -> str:
    """A stretch of a recording, `3.2-5.0 s`; empty for the recording as a whole."""
    if start_ms is None:
        return ""
    return f"{start_ms / 1000:.1f} s" if end_ms is None else f"{start_ms / 1000:.1f}-{end_ms / 1000:.1f} s"


def coloured(code: str) -> Text:
    """A verdict, result or state in its colour."""
    return Text(code.replace("_", " "), style=_COLOURS.get(code, ""))


def harmless(text: str) -> str:
    """Without the characters that a terminal obeys."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _attempted(attempt: Attempt, zone: ZoneInfo, language: Language) -> Iterable[str]:
    outcome = "?" if attempt.outcome is None else label(attempt.outcome, language)
    rings = _number(attempt.ring_count) + (" + voicemail" if attempt.voicemail_tone else "")
    return moment(attempt.started_at_ms, zone), attempt.call_id, attempt.status, outcome, rings, attempt.branch or "?"


def _why(finding: Finding) -> str:
    return finding.comment or (finding.reason or "").replace("_", " ")


def _cited(evidence: Evidence) -> str:
    where = seconds(evidence.start_ms, evidence.end_ms)
    return f"{evidence.call_id}{f' {where}' if where else ''}: {evidence.fact}"


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)


def _table(*headings: str) -> Table:
    """A table whose names and codes stay whole, however narrow the terminal; the rest folds."""
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in _WHOLE)
    return table


def _plain(*texts: str) -> list[Text]:
    return [Text(harmless(text)) for text in texts]
