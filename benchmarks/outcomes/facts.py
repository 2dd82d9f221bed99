"""The tables of what else a call shows: who was reached, and the words of appointments, reasons and requests."""

from __future__ import annotations

from typing import Literal

from rich.table import Table

from benchmarks.outcomes.scoring import INTERVAL, Parts, Scored, Share, cells
from benchmarks.tables import table
from ringtrue.messages import Shown, Span

Fact = Literal["appointment", "reason", "no_more_calls"]
_FACTS: tuple[Fact, ...] = ("appointment", "reason", "no_more_calls")
_ALL = "all"


def reached(parts: Parts, caption: str) -> Table:
    """Who was reached; what an engine leaves open is counted beside the right answers."""
    made = table("Who was reached", caption, ["part", "reached"], ["texts", "right %", INTERVAL, "left open %"])
    for part, rows in parts.items():
        told = [(labelled(row), said(row).reached) for row in rows if labelled(row)]
        for value in [*sorted({truth for truth, _ in told if truth}), *[_ALL] * bool(told)]:
            some = [(truth, answer) for truth, answer in told if value in (truth, _ALL)]
            right = Share.that(truth == answer for truth, answer in some)
            left_open = Share.that(answer is None for _, answer in some)
            made.add_row(part, value, *cells(right), f"{left_open.percent:.1f}")
    return made


def words(parts: Parts, caption: str) -> Table:
    """Whether the words of facts are found: a citation is right when it shares a word with the label."""
    made = table(
        "Facts with their words",
        caption,
        ["part", "fact"],
        ["shown", "found %", INTERVAL, "cited", "right %", INTERVAL],
    )
    for part, rows in parts.items():
        known = [row for row in rows if row.case.shown is not None]
        for fact in _FACTS:
            shown = [row for row in known if label_of(row, fact)]
            cited = [row for row in known if citation_of(row, fact)]
            if shown or cited:
                found, right = (Share.that(met(row, fact) for row in some) for some in (shown, cited))
                made.add_row(part, fact.replace("_", " "), *cells(found), *cells(right))
        agreed = [row for row in known if row.case.shown and row.case.shown.appointment_agreed is not None]
        if agreed:
            right = Share.that(_agreed(row) for row in agreed)
            made.add_row(part, "whether the client agreed", *cells(right), "", "", "")
    return made


def met(row: Scored, fact: Fact) -> bool:
    """Whether the words that the engine cites and those of the label have one in common."""
    citation = citation_of(row, fact)
    return citation is not None and bool(set(label_of(row, fact).split()) & set(citation.text.split()))


def labelled(row: Scored) -> str:
    """Who was reached, by the label; empty where it does not say."""
    return (row.case.shown.reached or "") if row.case.shown else ""


def label_of(row: Scored, fact: Fact) -> str:
    """The words of a fact, by the label; empty where there are none."""
    return (getattr(row.case.shown, fact) or "") if row.case.shown else ""


def citation_of(row: Scored, fact: Fact) -> Span | None:
    """The words of a fact that the engine cites."""
    found: Span | None = getattr(said(row), fact)
    return found


def said(row: Scored) -> Shown:
    """What the engine says beside the outcome."""
    return row.said.shown or Shown()


def _agreed(row: Scored) -> bool:
    return row.case.shown is not None and said(row).appointment_agreed == row.case.shown.appointment_agreed
