"""Cases: a manifest becomes its orders' rows, and a manifest put again under its key withdraws what it no longer holds.

State: per manifest object what was last read of it, and one entry per case that it holds. A manifest that cannot be
read changes nothing of what an earlier version of it said.
"""

import json
from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from ringtrue.errors import BadRecord
from ringtrue.manifests.layouts import Layouts
from ringtrue.manifests.manifest import Manifest, UnreadableManifest, read_manifest
from ringtrue.messages import ManifestRead, ObjectSeen, Order, OrderRow
from ringtrue.storage import ObjectGone, ObjectStore
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import MANIFESTS_READ, ORDERS_ROWS, READ_BY, state_of
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import DROPPED, RECOVERED
from services.ingest.state import ManifestCase

#: A million rows of a few hundred bytes.
_MANIFEST_BYTES = 1_000_000_000
#: Rows in one transaction.
_ROWS = 5_000


class Manifests(Worker):
    """`manifests.seen` to `orders.rows` and `manifests.read`.

    Args:
        store: Where the objects are.
        layouts: The operator's manifest layouts.
        zone: Of the local times in manifests.
        day: The processed day; None to take it from each manifest.
    """

    name = "ingest-manifests"
    inputs = READ_BY["ingest-manifests"]
    state = state_of("ingest-manifests").name
    limit = 1

    def __init__(self, store: ObjectStore, layouts: Layouts, zone: ZoneInfo, day: date | None) -> None:
        self._store = store
        self._layouts = layouts
        self._zone = zone
        self._day = day

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        seen = step.message
        if not isinstance(seen, ObjectSeen):
            raise BadRecord("unexpected", f"a manifest is expected, not a {type(seen).__name__}")
        name = _name(seen)
        info = self._store.stat(seen.bucket, seen.key)
        # What was announced is a hint; what is refused and remembered is what the store holds.
        step.message = seen = replace(seen, etag=info.etag)
        before = step.get(name, ManifestRead)
        if before is not None and before.etag == info.etag and step.headers.get("origin") != "retry":
            DROPPED.labels(self.name, "duplicate").inc()
            return
        data = self._store.get(seen.bucket, seen.key, info.etag, _MANIFEST_BYTES)
        try:
            manifest = read_manifest(data, seen.key, self._layouts, self._zone, self._day, step.lives)
        except UnreadableManifest as error:
            raise BadRecord("unreadable_manifest", str(error)) from error
        revision = seen.event_time_ms if before is None else max(before.revision + 1, seen.event_time_ms)
        self._rows(step, name, revision, manifest)
        for rejected in manifest.rejected:
            where = f"{name} row {rejected.row}"
            sheet = f", sheet {manifest.sheet!r}" if manifest.sheet else ""
            message = f"{where}{sheet}, column {rejected.column!r}, value {rejected.value!r}: {rejected.reason}"
            part = json.dumps({"row": rejected.row, "column": rejected.column, "value": rejected.value}).encode()
            step.refuse(BadRecord("rejected_row", message), subject=where, part=part)
        read = ManifestRead(
            manifest=name,
            revision=revision,
            etag=info.etag,
            status="ok",
            kind=manifest.kind,
            category=manifest.category,
            day=manifest.day.isoformat() if manifest.day else "",
            rows=manifest.rows,
            orders=len(manifest.orders),
            skipped=len(manifest.skipped),
            rejected=len(manifest.rejected),
            event_time_ms=step.now_ms,
        )
        step.put(name, read)
        step.send(MANIFESTS_READ, name, read)
        if seen.origin == "reconcile":
            RECOVERED.labels(seen.kind).inc()

    def _rows(self, step: Step, name: str, revision: int, manifest: Manifest) -> None:
        present = {one.order.case_id for one in manifest.orders}
        gone = [(key, case) for key, case in step.scan(_cases(name), ManifestCase) if case.case_id not in present]
        for count, one in enumerate(manifest.orders, start=1):
            order = one.order
            case = ManifestCase(order_number=order.number, case_id=order.case_id, row=one.row, revision=revision)
            step.send(ORDERS_ROWS, order.number, self._row(name, case, "present", order, step.now_ms))
            step.put(_cases(name) + order.case_id, case)
            if count % _ROWS == 0:
                step.checkpoint()
        for key, case in gone:
            withdrawn = replace(case, revision=revision)
            step.send(ORDERS_ROWS, case.order_number, self._row(name, withdrawn, "withdrawn", None, step.now_ms))
            step.delete(key)

    def _row(self, manifest: str, case: ManifestCase, status: str, order: Order | None, now_ms: int) -> OrderRow:
        return OrderRow(
            order_number=case.order_number,
            case_id=case.case_id,
            manifest=manifest,
            row=case.row,
            revision=case.revision,
            status=status,
            order=order,
            layouts_hash=self._layouts.hash,
            event_time_ms=now_ms,
        )

    def refused(self, step: Step, problem: BadRecord) -> None:
        """A manifest that cannot be read is answered as failed, and remembered so that it is said once.

        Of one that is gone no version is remembered: the same may be put back.
        """
        seen = step.message
        if not isinstance(seen, ObjectSeen):
            return
        before = step.get(_name(seen), ManifestRead)
        failed = ManifestRead(
            manifest=_name(seen),
            revision=seen.event_time_ms if before is None else max(before.revision + 1, seen.event_time_ms),
            etag="" if isinstance(problem, ObjectGone) else seen.etag,
            status="failed",
            failure=self.failure(problem),
            kind="",
            category="",
            day="",
            rows=0,
            orders=0,
            skipped=0,
            rejected=0,
            event_time_ms=step.now_ms,
        )
        step.put(_name(seen), failed)
        step.send(MANIFESTS_READ, _name(seen), failed)


def _name(seen: ObjectSeen) -> str:
    return f"{seen.bucket}/{seen.key}"


def _cases(manifest: str) -> str:
    # A control character that no object key holds keeps the cases of `a.csv` apart from the entry of `a.csv` itself.
    return f"{manifest}\x1f"
