"""What the cells of the reports hold (domain.md, Reports): pure functions of a case or of a call."""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ringtrue import times
from ringtrue.messages import Attempt, Finding
from ringtrue.outcomes import BAD, GOOD, NOBODY_REACHED, Language, Outcome, label
from ringtrue.results.calls import Call
from ringtrue.results.cases import Case
from services.archive.words import WORDS

Cell = str | int | float | None

_ARABIC = re.compile(r"[\u0600-\u06ff]")
_LATIN = re.compile(r"[A-Za-zÀ-ÿ]")


@dataclass(frozen=True, slots=True)
class Print:
    """How things are printed: in the operator's time zone and one language."""

    zone: ZoneInfo
    language: Language

    def word(self, code: str) -> str:
        """A result, a verdict or another word; empty for what is not printed (not applicable, pending)."""
        return WORDS[self.language].get(code, "")

    def day(self, utc_ms: int | None) -> str:
        """A local date."""
        return "" if utc_ms is None else times.local_day(utc_ms, self.zone).isoformat()

    def moment(self, utc_ms: int | None) -> str:
        """A local date and time, to the second."""
        return "" if utc_ms is None else times.local(utc_ms, self.zone).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Line:
    """A case as it is printed.

    Attributes:
        case: The case as it stands.
        print: Time zone and language.
        calls: The calls that registration alone shows in its window, by start.
        technician: Number of the technician who made the last call, where it is known.
    """

    case: Case
    print: Print
    calls: tuple[Call, ...] = ()
    technician: str | None = None

    @property
    def unreachable(self) -> bool:
        """Whether the declared motif is *client injoignable*."""
        return self.case.order.motif_outcome == Outcome.UNREACHABLE

    @property
    def last(self) -> Attempt | None:
        """The last call."""
        return self.case.attempts[-1] if self.case.attempts else None

    def result(self, rule: str) -> str:
        """The result of a rule in words; empty when it does not apply or has not been asked."""
        finding = self.case.finding(rule)
        return self.print.word(finding.result) if finding else ""


@dataclass(frozen=True, slots=True)
class Recording:
    """A call as it is printed."""

    call: Call
    print: Print


def attempts(line: Line) -> Cell:
    """The number of attempts; empty before anyone has looked."""
    return len(line.case.attempts) if line.case.judged_at_ms is not None else ""


def enough_attempts(line: Line) -> Cell:
    """By `attempts`; for other motifs at least one attempt."""
    if line.unreachable:
        return line.result("attempts")
    if line.case.findings and line.case.attempts:
        return line.print.word("passed")
    return line.result("declaration")


def enough_attempts_or_how_many(line: Line) -> Cell:
    """The same, with the number of attempts where they are too few."""
    said = enough_attempts(line)
    return attempts(line) if said == line.print.word("failed") else said


def rings(line: Line) -> Cell:
    """Rings of the last call; when `rings` failed, the fewest of the best triple, which is what it cites."""
    found = line.case.finding("rings")
    if found is not None and found.result == "failed":
        counts = _cited_rings(line.case, found)
        return min(counts) if counts else line.print.word("unknown")
    if line.last is None:
        return ""
    return line.print.word("unknown") if line.last.ring_count is None else line.last.ring_count


def declared_rightly(line: Line) -> Cell:
    """The result of `last_call` (injoignable) or `declaration`."""
    return line.result("last_call" if line.unreachable else "declaration")


def reached(line: Line) -> Cell:
    """Whether the last call reached someone; empty before anyone has looked."""
    if line.last is None:
        return "" if line.case.judged_at_ms is None else line.print.word("nobody_called")
    if line.last.outcome in (None, Outcome.NOT_CLASSIFIED):
        return line.print.word("unknown")
    return line.print.word("no" if line.last.outcome in NOBODY_REACHED else "yes")


def behaviour(line: Line) -> Cell:
    """How the technician behaved in the last call; empty for injoignable and when not classified."""
    shown = None if line.unreachable or line.last is None else line.last.behaviour
    return {GOOD: line.print.word("good"), BAD: line.print.word("bad")}.get(shown, "") if shown is not None else ""


def outcome(line: Line) -> Cell:
    """The label of the last call's outcome."""
    if line.last is None:
        return ""
    return label(Outcome.NOT_CLASSIFIED if line.last.outcome is None else line.last.outcome, line.print.language)


def last_called(line: Line) -> Cell:
    """Local date and time of the last call."""
    return line.print.moment(line.last.started_at_ms if line.last else None)


def stage(line: Line) -> Cell:
    """Whether the order is judged or waits to be."""
    return line.print.word("waiting" if line.case.verdict == "pending" else "done")


def verdict(line: Line) -> Cell:
    """The verdict; empty while pending."""
    return line.print.word(line.case.verdict)


def comment(line: Line) -> Cell:
    """The verdict's comment, and how many recordings of its window belong to nobody."""
    parts = [line.case.comment or (line.print.word("waiting") if line.case.verdict == "pending" else "")]
    if line.case.unassigned:
        parts.append(line.print.word("unassigned").format(count=line.case.unassigned))
    return "; ".join(part for part in parts if part)


def languages(told: Recording) -> Cell:
    """What was spoken, by script: Arabic letters are Darija (`ary`), Latin ones French."""
    scripts = (("ary", _ARABIC), ("fr", _LATIN))
    return "+".join(code for code, letters in scripts if letters.search(told.call.text))


def voicemail(told: Recording) -> Cell:
    """Whether a voicemail tone was heard; empty when that is not known."""
    tone = told.call.heard.voicemail_tone if told.call.heard else None
    return "" if tone is None else told.print.word("yes" if tone else "no").lower()


def oddities(told: Recording) -> Cell:
    """Why nothing was heard, and what was odd in the call's metadata and its audio."""
    failure = told.call.failure if told.call.heard is None else None
    return "; ".join((*((failure.message,) if failure else ()), *told.call.warnings))


def seconds(milliseconds: int | None) -> Cell:
    """Milliseconds as seconds."""
    return None if milliseconds is None else milliseconds / 1000


def _cited_rings(case: Case, finding: Finding) -> list[int]:
    cited = {evidence.call_id for evidence in finding.evidence}
    return [a.ring_count for a in case.attempts if a.call_id in cited and a.ring_count is not None]
