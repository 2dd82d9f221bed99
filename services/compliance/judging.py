"""`ringtrue judge`: files in, verdicts out."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import to_json
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ringtrue import times
from ringtrue.cli.results import NEEDS_A_LOOK, choices, say_of, show
from ringtrue.console import news
from ringtrue.manifests.layouts import load_layouts
from ringtrue.messages import Finding
from ringtrue.results.cases import Case
from ringtrue.results.documents import case_document
from ringtrue.results.printing import cases_table, coloured, harmless
from ringtrue.settings import Settings
from services.compliance.facts_file import read_facts
from services.compliance.facts_only import Change, Declared, Flip, flips, judge_all
from services.compliance.known_calls import KnownCalls
from services.compliance.manifest_files import read_orders
from services.compliance.ruleset import load_ruleset

#: Verdicts that judging from facts alone can come to: nothing is waited for, nothing withdrawn.
VERDICTS = ("compliant", "non_compliant", "to_review")


class Judging:
    """Judges manifests by files of facts, and prints what comes of it.

    Args:
        settings: Zone, language, and what the others default to.
        rules: The rules file.
        layouts: The file of layouts of manifests.
        day: The processed day.
        compare: Another rules file: then only the verdicts that would flip under it are printed.

    Raises:
        Misconfigured: One of the files is wrong, or the day is.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        rules: Path | None = None,
        layouts: Path | None = None,
        day: str = "",
        compare: Path | None = None,
    ) -> None:
        self._zone = settings.zone
        self._language = settings.language
        self._rules = load_ruleset(settings.time_zone, rules or settings.rules)
        self._others = load_ruleset(settings.time_zone, compare) if compare else None
        self._layouts = load_layouts(layouts or settings.ingest.layouts)
        self._day = times.processed_day(day or settings.ingest.manifest_day)
        self._with_transcripts = any(one.asks_for_words for one in (self._rules, self._others) if one)
        self._now_ms = times.now_ms()
        self._mistakes = 0

    def run(self, manifests: Sequence[Path], facts: Sequence[Path], *, as_lines: bool, fail_on: str, limit: int) -> int:
        """Judges and prints; the exit code.

        Args:
            manifests: Their files.
            facts: The files of facts.
            as_lines: Print a JSON line for each order.
            fail_on: Verdicts that need a look, comma between them.
            limit: Rows of the table.

        Raises:
            WrongUse: A file is not there, or `fail_on` names no verdict.
        """
        wanted = choices("--fail-on", fail_on, VERDICTS)
        with _nothing_let_go():
            orders = read_orders(manifests, self._layouts, self._zone, self._day, self._complain)
            calls = self._calls(orders, facts)
        verdicts = Counter[str]()
        if self._others is None:
            self._print_cases(self._judged(orders, calls, verdicts), as_lines, limit, verdicts)
        else:
            others = judge_all(orders, calls, self._others, self._language, self._layouts.hash, self._now_ms)
            judged = self._judged(orders, calls, verdicts)
            found = (flip for flip in flips(judged, others, self._rules, self._others) if flip)
            self._print_flips(found, as_lines, limit, verdicts)
        if calls.unassigned():
            _say(f"{calls.unassigned()} recordings have no client number")
        return NEEDS_A_LOOK if self._mistakes or any(verdicts[name] for name in wanted) else 0

    def _calls(self, orders: Iterable[Declared], facts: Iterable[Path]) -> KnownCalls:
        calls = KnownCalls({declared.order.client_number for declared in orders})
        for path in facts:
            for remark in read_facts(path, calls, self._zone, with_transcripts=self._with_transcripts):
                if remark.is_mistake:
                    self._complain(remark.text)
                else:
                    _say(remark.text)
        return calls

    def _judged(self, orders: Sequence[Declared], calls: KnownCalls, verdicts: Counter[str]) -> Iterator[Case]:
        for case in judge_all(orders, calls, self._rules, self._language, self._layouts.hash, self._now_ms):
            verdicts[case.verdict] += 1
            yield case

    def _print_cases(self, cases: Iterator[Case], as_lines: bool, limit: int, verdicts: Counter[str]) -> None:
        if as_lines:
            _print_lines(case_document(case) for case in cases)
            return
        shown = [case for number, case in enumerate(cases) if number < limit]
        show(cases_table(shown, self._zone), _counted(verdicts))
        say_of(len(shown), verdicts.total())

    def _print_flips(self, found: Iterator[Flip], as_lines: bool, limit: int, verdicts: Counter[str]) -> None:
        if as_lines:
            _print_lines(flip_document(flip) for flip in found)
            return
        shown, turns = list[Flip](), Counter[str]()
        for flip in found:
            turns[f"{flip.before.verdict} to {flip.after.verdict}"] += 1
            if len(shown) < limit:
                shown.append(flip)
        if shown:
            show(_flips_table(shown))
        show(_counted(verdicts), Text(f"{turns.total()} of {verdicts.total()} verdicts would flip"), _counted(turns))
        say_of(len(shown), turns.total())

    def _complain(self, mistake: str) -> None:
        self._mistakes += 1
        _say(mistake)


@contextmanager
def _nothing_let_go() -> Iterator[None]:
    """For reading what stays: to look for garbage among it, then and later, would take a sixth of the time."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def flip_document(flip: Flip) -> dict[str, Any]:
    """An order's case with what would be said of it under other rules, and the rules that make the difference."""
    other = case_document(flip.after)
    said = {name: other[name] for name in ("verdict", "comment", "rules_hash", "findings")}
    changes = [
        {"rule": change.rule, "before": _said(change.before), "after": _said(change.after)} for change in flip.changes
    ]
    return case_document(flip.before) | {"compared": said, "changes": changes}


def _print_lines(documents: Iterator[dict[str, Any]]) -> None:
    for document in documents:
        sys.stdout.write(to_json(document).decode() + "\n")


def _said(finding: Finding | None) -> dict[str, str | None] | None:
    if finding is None:
        return None
    return {"result": finding.result, "reason": finding.reason, "comment": finding.comment}


def _flips_table(flips: Sequence[Flip]) -> RenderableType:
    table = Table()
    for heading in ("order", "client", "verdict", "would be"):
        table.add_column(heading, no_wrap=True)
    table.add_column("because of", overflow="fold")
    for flip in flips:
        order = flip.before.order
        why = Text(harmless("\n".join(_change(change) for change in flip.changes)))
        table.add_row(
            Text(harmless(order.number)),
            order.client_number,
            coloured(flip.before.verdict),
            coloured(flip.after.verdict),
            why,
        )
    return table


def _change(change: Change) -> str:
    return f"{change.rule}: {_finding(change.before)} → {_finding(change.after)}"


def _finding(finding: Finding | None) -> str:
    if finding is None:
        return "no part of the verdict"
    return f"{finding.result.replace('_', ' ')}" + (f" ({finding.comment})" if finding.reason else "")


def _counted(counts: Counter[str]) -> Text:
    lines = (Text.assemble(f"{count:>9} ", coloured(name)) for name, count in counts.most_common())
    return Text("\n").join(lines)


def _say(text: str) -> None:
    news().print(Text(harmless(text)), soft_wrap=True)
