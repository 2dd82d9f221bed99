"""The reports: which files a manifest gives and what stands in their rows (domain.md, Reports).

For each kind, category and day there is the report itself and four companions with the same ending: `result_` (one
layout for all kinds), `initial_` (what registration alone shows), `assembler_output_` (what was said) and
`ingestion_output_` (what was heard). Manifests of the same kind and day share them: their rows follow one another, a
case that several hold stands once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ringtrue import times
from ringtrue.outcomes import Language
from ringtrue.results.calls import Call, calls_by_id, calls_in_windows
from ringtrue.results.cases import Case, Manifest, cases_of, find_manifests
from services.archive.cells import LAYOUTS, RESULT, Cell, Layout, Line

_ARABIC = re.compile(r"[\u0600-\u06ff]")
_LATIN = re.compile(r"[A-Za-zÀ-ÿ]")

_INITIAL = (
    "numero_commande",
    "client_number",
    "motif",
    "debut_periode",
    "date_suspension",
    "Nbr_tentatives_appel",
    "dates_appels",
    "branches_appels",
)
_SAID = ("call_id", "client_number", "date_appel", "statut", "langue", "transcription")
_HEARD = (
    "call_id",
    "objet",
    "statut",
    "duree_s",
    "codec",
    "Nb_tonnalite",
    "confiance_tonalites",
    "tonalite_messagerie",
    "fin_derniere_tonalite_s",
    "segments",
    "segments_en_echec",
    "avertissements",
)


@dataclass(frozen=True, slots=True)
class Report:
    """A table: the file's name without its suffix, headings, and rows of cells."""

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def make_reports(
    connection: sa.Connection, zone: ZoneInfo, language: Language, *, manifest: str = "", day: str = ""
) -> list[Report]:
    """Every report of the manifests that were read.

    Args:
        connection: To the database.
        zone: The operator's time zone, in which all dates are printed.
        language: Of results and comments; headings are the business's own.
        manifest: Only of this manifest (its key, with or without the bucket).
        day: Only of this day, YYYY-MM-DD.
    """
    found = find_manifests(connection, key=manifest, day=day)
    reports = list[Report]()
    for kind_and_day, group in groupby(sorted(found, key=_kind_and_day), key=_kind_and_day):
        manifests = list(group)
        keys = [m.manifest for m in manifests]
        cases = cases_of(connection, keys)
        tried = calls_in_windows(connection, keys)
        calls = calls_by_id(connection, list(dict.fromkeys(call for ids in tried.values() for call in ids)))
        for category in _categories(manifests, cases):
            ours = [case for case in cases if case.order.category == category]
            ending = f"{kind_and_day[0]}_{category}_{kind_and_day[1]}"
            reports += _reports(ending, (kind_and_day[0], category), ours, tried, calls, zone, language)
    return reports


def _reports(
    ending: str,
    kind: tuple[str, str],
    cases: Sequence[Case],
    tried: dict[str, list[str]],
    calls: dict[str, Call],
    zone: ZoneInfo,
    language: Language,
) -> Iterable[Report]:
    lines = [Line(case, zone, language) for case in cases]
    if kind in LAYOUTS:
        yield _by_layout(ending, LAYOUTS[kind], lines)
    yield _by_layout(f"result_{ending}", RESULT, lines)
    attempts = {line.case.order.case_id: [calls[i] for i in tried.get(line.case.order.case_id, ())] for line in lines}
    initial = tuple(_initial(line, attempts[line.case.order.case_id]) for line in lines)
    yield Report(f"initial_{ending}", _INITIAL, initial)
    each = {call.call_id: call for found in attempts.values() for call in found}.values()
    yield Report(f"assembler_output_{ending}", _SAID, tuple(_said(call, zone) for call in each))
    yield Report(f"ingestion_output_{ending}", _HEARD, tuple(_heard(call) for call in each))


def _by_layout(name: str, layout: Layout, lines: Sequence[Line]) -> Report:
    headings = tuple(heading for heading, _ in layout)
    return Report(name, headings, tuple(tuple(cell(line) for _, cell in layout) for line in lines))


def _initial(line: Line, calls: Sequence[Call]) -> tuple[Cell, ...]:
    order = line.case.order
    return (
        order.number,
        order.client_number,
        order.motif,
        line.moment(order.window_start_ms),
        line.moment(order.suspended_at_ms),
        len(calls),
        ", ".join(line.moment(call.started_at_ms) for call in calls),
        ", ".join(call.branch or "?" for call in calls),
    )


def _said(call: Call, zone: ZoneInfo) -> tuple[Cell, ...]:
    start = "" if call.started_at_ms is None else times.local(call.started_at_ms, zone).strftime("%Y-%m-%d %H:%M:%S")
    return call.call_id, call.client_number, start, call.status, _languages(call.text), call.text


def _heard(call: Call) -> tuple[Cell, ...]:
    heard = call.heard
    parts = (call.parts_total, call.parts_failed)
    if heard is None:
        why = (call.failure.message,) if call.failure else ()
        return (call.call_id, call.key, call.status, *("" for _ in range(6)), *parts, "; ".join((*why, *call.warnings)))
    end_s = None if heard.last_ring_end_ms is None else heard.last_ring_end_ms / 1000
    return (
        call.call_id,
        call.key,
        call.status,
        heard.duration_ms / 1000,
        heard.codec,
        heard.ring_count,
        heard.ring_confidence,
        {True: "oui", False: "non", None: ""}[heard.voicemail_tone],
        end_s,
        *parts,
        "; ".join(call.warnings),
    )


def _languages(text: str) -> str:
    """By script: Arabic letters are Darija (`ary`), Latin ones French."""
    return "+".join(code for code, letters in (("ary", _ARABIC), ("fr", _LATIN)) if letters.search(text))


def _kind_and_day(manifest: Manifest) -> tuple[str, str]:
    return manifest.kind, manifest.day


def _categories(manifests: Sequence[Manifest], cases: Sequence[Case]) -> list[str]:
    """Those of the manifests, so that an empty one has its report too; where the rows decide, those of the rows."""
    return sorted({m.category for m in manifests if m.category} | {case.order.category for case in cases})
