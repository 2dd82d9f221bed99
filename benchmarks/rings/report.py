"""The tables of Ringtrue Rings, from scored calls. Sums are plain; a table with no calls is left out."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from benchmarks.rings.calls import CASES, CUSTOM_RINGBACK, ENDINGS, SILENT_CASES, SNRS_DB
from benchmarks.rings.codecs import WEIGHTS
from benchmarks.rings.scoring import Scored
from benchmarks.tables import table

#: Compliance calls a count with less confidence undetermined (`min_ring_confidence`).
SURE = 0.9
_BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.01)
_CLOSE_MS = 100


@dataclass(frozen=True, slots=True)
class Exactness:
    """How many of some calls were counted exactly, by the analysis, where it was sure, and by the baseline."""

    calls: int
    exact: int
    sure: int
    sure_exact: int
    baseline: int

    @classmethod
    def of(cls, rows: Iterable[Scored]) -> "Exactness":
        """Sums over calls whose rings can be counted."""
        rows = [row for row in rows if row.ring_count is not None and not row.error]
        sure = [row for row in rows if row.confidence >= SURE]
        return cls(
            calls=len(rows),
            exact=sum(row.exact for row in rows),
            sure=len(sure),
            sure_exact=sum(row.exact for row in sure),
            baseline=sum(row.baseline == row.ring_count for row in rows),
        )


def tables(rows: Sequence[Scored], caption: str) -> list[Table]:
    """All tables, in the order in which they are read."""
    countable = [row for row in rows if row.ring_count is not None and not row.error]
    return [
        _summary(rows, caption),
        _exactness("by signal to noise", countable, caption, "SNR", list(SNRS_DB), lambda row: row.snr_db, _decibels),
        _exactness("by country", countable, caption, "country", _order(countable), lambda row: row.country),
        _exactness("by codec", countable, caption, "codec", list(WEIGHTS), lambda row: row.codec),
        _exactness("by ending", countable, caption, "ending", [*ENDINGS, "-"], lambda row: row.ending),
        _exactness("by case", countable, caption, "case", list(CASES), lambda row: row.case),
        _false_rings(rows, caption),
        _custom(rows, caption),
        _ends(rows, caption),
        _calibration(rows, caption),
        _other_tones(rows, caption),
        _speed(rows, caption),
        _not_scored(rows, caption),
    ]


def _summary(rows: Sequence[Scored], caption: str) -> Table:
    made = table("Ringtrue Rings: exact counts", caption, ["calls"], _HEADINGS)
    for name, chosen in (
        ("all", rows),
        ("20 dB and better", [row for row in rows if row.snr_db is None or row.snr_db >= 20]),
        ("15 dB", [row for row in rows if row.snr_db == 15]),
        ("10 dB", [row for row in rows if row.snr_db == 10]),
    ):
        made.add_row(name, *_cells(Exactness.of(chosen)))
    return made


def _speed(rows: Sequence[Scored], caption: str) -> Table:
    made = table("Speed of tone analysis, one core, CPU time", caption, [], ["calls timed", "hours", "x real time"])
    timed = [row for row in rows if row.analysis_s]
    if timed:
        seconds = sum(row.seconds for row in timed)
        speed = seconds / sum(row.analysis_s for row in timed)
        made.add_row(str(len(timed)), f"{seconds / 3600:.2f}", f"{speed:,.0f}")
    return made


def _not_scored(rows: Sequence[Scored], caption: str) -> Table:
    made = table("Calls that were not scored", caption, ["country", "codec", "why"], ["calls"])
    for (country, codec, why), count in Counter((row.country, row.codec, row.error) for row in rows).items():
        if why:
            made.add_row(country, codec, why, str(count))
    return made


_HEADINGS = ["calls", "exact", "exact %", "sure (0.9)", "exact of sure %", "band-energy script %"]


def _cells(sums: Exactness) -> list[str]:
    return [
        str(sums.calls),
        str(sums.exact),
        _percent(sums.exact, sums.calls),
        _percent(sums.sure, sums.calls),
        _percent(sums.sure_exact, sums.sure),
        _percent(sums.baseline, sums.calls),
    ]


def _exactness(
    title: str,
    rows: Sequence[Scored],
    caption: str,
    heading: str,
    keys: Iterable[object],
    key: Callable[[Scored], object],
    shown: Callable[[object], str] = str,
) -> Table:
    made = table(f"Exact counts {title}", caption, [heading], _HEADINGS)
    for value in keys:
        sums = Exactness.of(row for row in rows if key(row) == value)
        if sums.calls:
            made.add_row(shown(value), *_cells(sums))
    return made


def _decibels(value: object) -> str:
    return "clean" if value is None else f"{value} dB"


def _order(rows: Iterable[Scored]) -> list[str]:
    return sorted({row.country for row in rows})


def _false_rings(rows: Sequence[Scored], caption: str) -> Table:
    made = table(
        "Rings counted where none is",
        caption,
        ["sound"],
        ["calls", "hours", "false rings", "per 10 h", "in sure calls"],
    )
    silent = [row for row in rows if row.case in SILENT_CASES and not row.error]
    groups = [(case, [row for row in silent if row.case == case]) for case in SILENT_CASES]
    voices = [row for row in silent if row.case != "other_tones"]
    for name, chosen in [*groups, ("speech and music together", voices), ("all", silent)]:
        hours = sum(row.seconds for row in chosen) / 3600
        if hours:
            false = sum(row.counted for row in chosen)
            sure = sum(row.counted for row in chosen if row.confidence >= SURE)
            made.add_row(name, str(len(chosen)), f"{hours:.2f}", str(false), f"{false / hours * 10:.1f}", str(sure))
    return made


def _custom(rows: Sequence[Scored], caption: str) -> Table:
    made = table("Custom ringback (music)", caption, ["answer"], ["calls", "%"])
    chosen = [row for row in rows if row.case == CUSTOM_RINGBACK and not row.error]
    unsure = sum(row.confidence < SURE for row in chosen)
    zero = sum(row.confidence >= SURE and not row.counted for row in chosen)
    for name, count in (
        ("undetermined (right)", unsure),
        ("a sure zero", zero),
        ("sure rings", len(chosen) - unsure - zero),
    ):
        made.add_row(name, str(count), _percent(count, len(chosen)))
    return made


def _ends(rows: Sequence[Scored], caption: str) -> Table:
    made = table(
        "End of the last ring, where the count is exact",
        caption,
        ["calls"],
        ["n", "median ms", "p95 ms", "within 100 ms %"],
    )
    errors = [(row.snr_db, abs(row.end_error_ms)) for row in rows if row.end_error_ms is not None]
    for name, chosen in (
        ("all", [error for _, error in errors]),
        ("20 dB and better", [error for snr, error in errors if snr is None or snr >= 20]),
        ("10 dB", [error for snr, error in errors if snr == 10]),
    ):
        if chosen:
            middle, high = np.percentile(chosen, (50, 95))
            close = sum(error <= _CLOSE_MS for error in chosen)
            made.add_row(name, str(len(chosen)), f"{middle:.0f}", f"{high:.0f}", _percent(close, len(chosen)))
    return made


def _calibration(rows: Sequence[Scored], caption: str) -> Table:
    made = table(
        "Is the confidence of a count true? (a custom ringback is never right)",
        caption,
        ["stated"],
        ["calls", "mean stated %", "right %"],
    )
    usable = [row for row in rows if not row.error]
    for low, high in itertools.pairwise(_BINS):
        chosen = [row for row in usable if low <= row.confidence < high]
        if chosen:
            mean = 100 * float(np.mean([row.confidence for row in chosen]))
            right = sum(row.exact for row in chosen)
            made.add_row(
                f"{low:.2f} to {min(high, 1):.2f}", str(len(chosen)), f"{mean:.1f}", _percent(right, len(chosen))
            )
    return made


def _other_tones(rows: Sequence[Scored], caption: str) -> Table:
    made = table("Other tones found by their name", caption, ["tone"], ["calls with it", "found %"])
    found: dict[str, list[bool]] = {}
    for row in rows:
        for kind, hit in row.named:
            found.setdefault(kind, []).append(hit)
    for kind, hits in sorted(found.items()):
        made.add_row(kind, str(len(hits)), _percent(sum(hits), len(hits)))
    quiet = [row for row in rows if not row.voicemail and row.ring_count and not row.error]
    if quiet:
        false = sum(row.voicemail_heard is True for row in quiet)
        made.add_row(
            "calls with rings and no voicemail tone, where one is claimed", str(len(quiet)), _percent(false, len(quiet))
        )
    return made


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"
