"""Orders as they stand: each case with its newest verdict, read from the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from ringtrue.database.tables import manifest_rows, manifests, orders, verdicts
from ringtrue.messages import Attempt, Finding, Order

FINDINGS = TypeAdapter(tuple[Finding, ...])
ATTEMPTS = TypeAdapter(tuple[Attempt, ...])


@dataclass(frozen=True, slots=True)
class Case:
    """An order's case and what is said of it.

    Attributes:
        order: What was declared.
        manifest: Key of the manifest that last held it, bucket first.
        row: Its line there.
        verdict: compliant, non_compliant, to_review, pending or withdrawn.
        findings: One per rule; none while pending.
        attempts: The calls that were judged, by start.
        waiting_for: What a pending verdict waits for, in words.
        comment: The overall comment.
        unassigned: Recordings without a client number in the window's hours.
        rules_hash: Of the rules that it was judged by.
        judged_at_ms: When it was last judged; None when it was not yet.
        warnings: What the checks of the evidence found; no part of the verdict.
        layouts_hash: Of the layouts by which its row was read.
        models_hash: Of the models that the facts of its calls come from.
        inputs_hash: Of all that was judged.
    """

    order: Order
    manifest: str
    row: int
    verdict: str
    findings: tuple[Finding, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    waiting_for: tuple[str, ...] = ()
    comment: str = ""
    unassigned: int = 0
    rules_hash: str = ""
    judged_at_ms: int | None = None
    warnings: tuple[Finding, ...] = ()
    layouts_hash: str = ""
    models_hash: str = ""
    inputs_hash: str = ""

    def finding(self, rule: str) -> Finding | None:
        """What this rule found, if it was asked."""
        return next((finding for finding in self.findings if finding.rule == rule), None)


@dataclass(frozen=True, slots=True)
class PastVerdict:
    """An earlier or the present evaluation of a case."""

    revision: int
    evaluation: int
    verdict: str
    comment: str
    rules_hash: str
    judged_at_ms: int
    layouts_hash: str = ""
    models_hash: str = ""
    inputs_hash: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read."""

    manifest: str
    kind: str
    category: str
    day: str


#: What stands for the verdict of a case: a case that no judge has spoken of yet waits to be judged.
VERDICT = sa.case(
    (orders.c.status == "withdrawn", "withdrawn"), else_=sa.func.coalesce(orders.c.verdict, "pending")
).label("standing")

#: Of what a verdict was made; empty for one that an older version made.
_HASHES = ("layouts_hash", "models_hash", "inputs_hash")
_JUDGED = (
    verdicts.c.findings,
    verdicts.c.attempts,
    verdicts.c.waiting_for,
    verdicts.c.comment,
    verdicts.c.unassigned,
    verdicts.c.rules_hash,
    verdicts.c.judged_at_ms,
    verdicts.c.warnings,
    *(verdicts.c[name] for name in _HASHES),
)
_CASES = sa.select(orders, VERDICT, *_JUDGED).select_from(
    orders.outerjoin(
        verdicts,
        sa.and_(
            verdicts.c.case_id == orders.c.case_id,
            verdicts.c.revision == orders.c.verdict_revision,
            verdicts.c.evaluation == orders.c.verdict_evaluation,
        ),
    )
)


def find_cases(
    connection: sa.Connection,
    *,
    numbers: Sequence[str] = (),
    manifest: str = "",
    standing: Sequence[str] = (),
    limit: int | None = None,
) -> list[Case]:
    """Cases by suspension time, the latest first, then by order number.

    Args:
        connection: To the database.
        numbers: Only these order numbers (or case ids).
        manifest: Only cases that this manifest holds.
        standing: Only these verdicts.
        limit: At most so many.
    """
    query = _CASES.where(*_wanted(numbers, manifest, standing))
    query = query.order_by(orders.c.suspended_at_ms.desc(), orders.c.order_number, orders.c.case_id).limit(limit)
    return [_case(row) for row in connection.execute(query)]


def count_cases(
    connection: sa.Connection, *, numbers: Sequence[str] = (), manifest: str = "", standing: Sequence[str] = ()
) -> dict[str, int]:
    """Cases by verdict, chosen as in `find_cases`."""
    query = sa.select(VERDICT, sa.func.count()).where(*_wanted(numbers, manifest, standing)).group_by(VERDICT)
    return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def held_cases(connection: sa.Connection, manifest_keys: Sequence[str]) -> dict[str, str]:
    """The category of each case that these manifests hold, by case id: in the manifests' order, then in their rows'."""
    query = (
        sa.select(manifest_rows.c.manifest, manifest_rows.c.row, orders.c.case_id, orders.c.category)
        .join(orders, orders.c.case_id == manifest_rows.c.case_id)
        .where(manifest_rows.c.manifest.in_(manifest_keys), manifest_rows.c.status == "present")
    )
    place = {key: number for number, key in enumerate(manifest_keys)}
    rows = sorted(connection.execute(query), key=lambda row: (place[row.manifest], row.row, row.case_id))
    return {row.case_id: row.category for row in rows}


def cases_by_id(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Case]:
    """These cases, in the order of `ids`; as many at once as a statement may have values."""
    found = {row.case_id: _case(row) for row in connection.execute(_CASES.where(orders.c.case_id.in_(ids)))}
    return {case_id: found[case_id] for case_id in ids if case_id in found}


def find_manifests(connection: sa.Connection, *, key: str = "", prefix: str = "", day: str = "") -> list[Manifest]:
    """Manifests that could be read, by day and key.

    Args:
        connection: To the database.
        key: Only this one; the bucket may be left out.
        prefix: Only those whose key begins so; the bucket may be left out, and the folders before the file's name.
        day: Only of this day, YYYY-MM-DD.
    """
    query = sa.select(manifests).where(manifests.c.status == "ok")
    if day:
        query = query.where(manifests.c.day == day)
    found = [Manifest(row.manifest, row.kind, row.category, row.day) for row in connection.execute(query)]
    if key:
        found = [m for m in found if key in (m.manifest, m.manifest.partition("/")[2])]
    if prefix:
        found = [m for m in found if any(name.startswith(prefix) for name in _names(m.manifest))]
    return sorted(found, key=lambda manifest: (manifest.day, manifest.manifest))


def history(connection: sa.Connection, case_id: str) -> list[PastVerdict]:
    """Every evaluation of a case, the newest first."""
    query = (
        sa.select(verdicts)
        .where(verdicts.c.case_id == case_id)
        .order_by(verdicts.c.revision.desc(), verdicts.c.evaluation.desc())
    )
    return [
        PastVerdict(
            row.revision,
            row.evaluation,
            row.verdict,
            row.comment,
            row.rules_hash,
            row.judged_at_ms,
            **{name: row._mapping[name] or "" for name in _HASHES},
        )
        for row in connection.execute(query)
    ]


def _wanted(numbers: Sequence[str], manifest: str, standing: Sequence[str]) -> Iterable[sa.ColumnElement[bool]]:
    if numbers:
        yield sa.or_(orders.c.order_number.in_(numbers), orders.c.case_id.in_(numbers))
    if manifest:
        held = sa.select(manifest_rows.c.case_id).where(
            manifest_rows.c.manifest == manifest, manifest_rows.c.status == "present"
        )
        yield orders.c.case_id.in_(held)
    if standing:
        yield VERDICT.in_(standing)


def _names(key: str) -> tuple[str, str, str]:
    return key, key.partition("/")[2], key.rpartition("/")[2]


def _case(row: sa.Row[Any]) -> Case:
    values = row._mapping
    declared = {name: values[name] for name in Order.__dataclass_fields__ if name != "number"}
    order = Order(number=values["order_number"], **declared)
    if values["judged_at_ms"] is None:
        return Case(order, values["manifest"], values["row"], values["standing"])
    return Case(
        order=order,
        manifest=values["manifest"],
        row=values["row"],
        verdict=values["standing"],
        findings=FINDINGS.validate_python(values["findings"]),
        attempts=ATTEMPTS.validate_python(values["attempts"]),
        waiting_for=tuple(values["waiting_for"]),
        comment=values["comment"],
        unassigned=values["unassigned"],
        rules_hash=values["rules_hash"],
        judged_at_ms=values["judged_at_ms"],
        warnings=FINDINGS.validate_python(values["warnings"] or ()),
        **{name: values[name] or "" for name in _HASHES},
    )
