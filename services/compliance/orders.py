"""Orders: owns each order number. Decides what an order's case is now, for which client, and what a correction changes.

The newest manifest that holds a case says what it is. A correction that moves it to another client silences the former
client's judge; a case that no manifest holds any more is withdrawn.
"""

from dataclasses import replace

from ringtrue.errors import BadRecord
from ringtrue.messages import OrderCommand, OrderCurrent, OrderRow
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import ORDERS_CURRENT, READ_BY, state_of
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import DROPPED
from services.compliance.state import HeldOrder


class Orders(Worker):
    """`orders.rows` and `orders.commands` to `orders.current`."""

    name = "compliance-orders"
    inputs = READ_BY["compliance-orders"]
    state = state_of("compliance-orders").name
    limit = 500

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        match step.message:
            case OrderRow(status="withdrawn") as row:
                self._withdrawn(step, row)
            case OrderRow() as row:
                self._present(step, row)
            case OrderCommand() as command:
                self._command(step, command)
            case other:
                raise BadRecord("unexpected", f"compliance does not expect a {type(other).__name__}")

    def _present(self, step: Step, row: OrderRow) -> None:
        if row.order is None:
            raise BadRecord("order_missing", f"{row.manifest} row {row.row} is present but says nothing of its order")
        held = step.get(row.case_id, HeldOrder)
        holders = {**(held.holders if held else {}), row.manifest: str(row.row)}
        if held is not None and (held.current.revision > row.revision or held.current.order == row.order):
            DROPPED.labels(self.name, "same or older").inc()
            known = held.current
            if known.revision <= row.revision:
                # Not sent, but a manifest between the two must not replace what the newer one has confirmed.
                known = replace(
                    known,
                    revision=row.revision,
                    manifest=row.manifest,
                    row=row.row,
                    layouts_hash=row.layouts_hash,
                )
            step.put(row.case_id, HeldOrder(current=known, holders=holders))
            return
        current = OrderCurrent(
            client_number=row.order.client_number,
            case_id=row.case_id,
            revision=row.revision if held is None else max(held.current.revision + 1, row.revision),
            evaluation=0,
            status="current",
            order=row.order,
            manifest=row.manifest,
            row=row.row,
            layouts_hash=row.layouts_hash,
            event_time_ms=step.now_ms,
        )
        if held is not None and held.current.client_number != current.client_number:
            self._send(step, replace(held.current, revision=current.revision, status="moved"))
        self._send(step, current)
        step.put(row.case_id, HeldOrder(current=current, holders=holders))

    def _withdrawn(self, step: Step, row: OrderRow) -> None:
        held = step.get(row.case_id, HeldOrder)
        if held is None or row.manifest not in held.holders:
            DROPPED.labels(self.name, "not held").inc()
            return
        holders = {manifest: line for manifest, line in held.holders.items() if manifest != row.manifest}
        if holders:
            step.put(row.case_id, replace(held, holders=holders))
            return
        revision = max(held.current.revision + 1, row.revision)
        self._send(step, replace(held.current, revision=revision, status="withdrawn"))
        step.delete(row.case_id)

    def _command(self, step: Step, command: OrderCommand) -> None:
        cases = list(step.scan(f"{command.order_number}@", HeldOrder))
        if not cases:
            raise BadRecord("unknown_order", f"no order {command.order_number} is known; see `ringtrue orders`")
        for case_id, held in cases:
            evaluation = max(held.current.evaluation + 1, command.event_time_ms)
            current = replace(held.current, evaluation=evaluation, event_time_ms=step.now_ms)
            self._send(step, current)
            step.put(case_id, replace(held, current=current))

    def _send(self, step: Step, current: OrderCurrent) -> None:
        step.send(ORDERS_CURRENT, current.client_number, replace(current, event_time_ms=step.now_ms))
