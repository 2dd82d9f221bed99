"""The tables of scored texts. A table that there is nothing for has no rows, and is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table

from benchmarks.outcomes import facts
from benchmarks.outcomes.scoring import INTERVAL, KINDS, Confusion, Parts, Scored, Share, cells
from benchmarks.tables import table
from ringtrue.outcomes import Outcome, label


def tables(parts: Parts, caption: str) -> list[Table]:
    """All tables, in the order in which they are read."""
    return [
        _accuracy(parts, caption),
        _confident_mistakes(parts, caption),
        *(_confusion(part, rows, kind, caption) for part, rows in parts.items() for kind in KINDS),
        *(_by_code(part, rows, kind, caption) for part, rows in parts.items() for kind in KINDS),
        _hard(parts, caption),
        _by_script(parts, caption),
        facts.reached(parts, caption),
        facts.words(parts, caption),
    ]


def _accuracy(parts: Parts, caption: str) -> Table:
    made = table("Right answers", caption, ["part", "of"], ["texts", "right %", INTERVAL, "9 %", "right of the rest %"])
    for part, rows in parts.items():
        for kind in KINDS:
            confusion = Confusion.of(rows, kind)
            silent = confusion.not_classified
            rest = Share(confusion.right.hits, confusion.total - silent.hits)
            made.add_row(part, kind, *cells(confusion.right), f"{silent.percent:.1f}", f"{rest.percent:.1f}")
        both = Share.that(all(map(row.right, KINDS)) for row in rows)
        made.add_row(part, "both outcomes", *cells(both), "", "")
        behaviour = Share.that(row.said.behaviour == row.case.behaviour for row in rows)
        rude = [row.said.behaviour == row.case.behaviour for row in rows if row.case.behaviour == 0]
        made.add_row(part, "behaviour", *cells(behaviour), "", "")
        if rude:
            made.add_row(part, "behaviour, of the rude", *cells(Share.that(rude)), "", "")
    return made


def _confident_mistakes(parts: Parts, caption: str) -> Table:
    made = table(
        "Confident mistakes between unreachable (3) and any other outcome",
        caption,
        ["part", "of"],
        ["texts", "mistakes %", INTERVAL, "wrongly 3", "3 missed", "of both with 0"],
    )
    for part, rows in parts.items():
        for kind in KINDS:
            found = Confusion.of(rows, kind)
            counts = (found.wrongly_unreachable, found.wrongly_reached, found.with_silence)
            made.add_row(part, kind, *cells(found.confident_mistakes, places=2), *map(str, counts))
    return made


def _confusion(part: str, rows: Sequence[Scored], kind: str, caption: str) -> Table:
    confusion = Confusion.of(rows, kind)
    answers = [*confusion.codes, int(Outcome.NOT_CLASSIFIED)]
    made = table(f"{part}, {kind}: what is answered for what is shown", caption, ["shown"], [*map(str, answers), "all"])
    for truth in confusion.codes:
        if confusion.shown(truth):
            counts = [confusion.count(truth, answer) for answer in answers]
            made.add_row(_named(truth), *(str(count) if count else "" for count in counts), str(sum(counts)))
    return made


def _by_code(part: str, rows: Sequence[Scored], kind: str, caption: str) -> Table:
    made = table(
        f"{part}, {kind}: by outcome",
        caption,
        ["outcome"],
        ["shown", "recall %", INTERVAL, "answered", "precision %", INTERVAL],
    )
    confusion = Confusion.of(rows, kind)
    for code in confusion.codes:
        recall, precision = confusion.recall(code), confusion.precision(code)
        if recall.of or precision.of:
            made.add_row(_named(code), *cells(recall), *cells(precision))
    return made


def _hard(parts: Parts, caption: str) -> Table:
    return _by_tag("Right answers by what is hard", "hard", parts, lambda row: row.case.hard or ("-",), caption)


def _by_script(parts: Parts, caption: str) -> Table:
    written = {part: [row for row in rows if row.case.script] for part, rows in parts.items()}
    return _by_tag("Right answers by script", "script", written, lambda row: (row.case.script,), caption)


def _by_tag(title: str, heading: str, parts: Parts, tags: Callable[[Scored], tuple[str, ...]], caption: str) -> Table:
    made = table(title, caption, ["part", heading], ["texts", *(f"{kind} %" for kind in KINDS), "both %"])
    for part, rows in parts.items():
        for tag in sorted({tag for row in rows for tag in tags(row)}):
            some = [row for row in rows if tag in tags(row)]
            right = [Share.that(row.right(kind) for row in some).percent for kind in KINDS]
            both = Share.that(all(map(row.right, KINDS)) for row in some).percent
            made.add_row(part, tag, str(len(some)), *(f"{percent:.1f}" for percent in [*right, both]))
    return made


def _named(code: int) -> str:
    return f"{code} {label(code, 'en')}"
