"""A manifest that fills many transactions, its process killed on the way: every row comes out, and each the same."""

import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ringtrue.messages import ManifestRead, ObjectSeen, OrderRow
from ringtrue.storage.folder import FolderStore
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import MANIFESTS_READ, MANIFESTS_SEEN, ORDERS_ROWS, dead_letters, state_of
from tests.faults.conftest import Row
from tests.faults.job import Job
from tests.faults.process import Child, Fault

pytestmark = pytest.mark.servers

_KEY = "manifests/crc_adsl_2026-11-18.csv"
_HEADINGS = (
    "inwib2c_order__c;numero_de_contact;date_commande;date_last_status;statut_de_degroupage_iam;statut_commande;city"
)
_TOPICS = (MANIFESTS_SEEN, MANIFESTS_READ, ORDERS_ROWS, dead_letters("ingest"), state_of("ingest-manifests"))
_PATIENCE_S = 1_200.0


@pytest.mark.parametrize(
    "rows", [12_000, pytest.param(1_000_000, marks=[pytest.mark.whole, pytest.mark.timeout(3_600)])]
)
def test_every_row_of_a_large_manifest_comes_out_although_its_process_is_killed_in_the_middle(
    rows: int, kafka_server: str, tmp_path: Path, row: Row
) -> None:
    row(f"manifest of {rows:,} rows", "ingest-manifests killed in the transaction that holds the middle of it")
    bucket = tmp_path / "bucket"
    (bucket / _KEY).parent.mkdir(parents=True)
    with (bucket / _KEY).open("w") as file:
        file.write(_HEADINGS + "\n")
        file.writelines(
            f"CMD-{number};0600{number:06d};2026-11-17 09:00:00;2026-11-18 18:00:00;client injoignable;suspendue;Fes\n"
            for number in range(rows)
        )
    job = Job("manifests", kafka_server, f"faults-{uuid.uuid4().hex[:10]}.", str(tmp_path / "one"), bucket=str(bucket))
    log = KafkaLog(job.kafka, job.log, tmp_path / "test")
    log.create_topics(_TOPICS)
    info = FolderStore(bucket).stat("bucket", _KEY)
    seen = ObjectSeen(
        bucket="bucket", key=_KEY, kind="manifest", etag=info.etag, size=info.size, origin="scan", event_time_ms=1
    )
    log.append([Outgoing(MANIFESTS_SEEN.name, f"bucket/{_KEY}".encode(), Codec().encode(seen))])
    started = time.monotonic()
    # Barriers, notes, and the count of the careful reading apart, each transaction holds 5,000 rows.
    dying = Child(job, Fault("flushed", 3 + rows // 10_000).environment(job.prefix, job), tmp_path / "dying.log")
    try:
        assert dying.ends(_PATIENCE_S) == -signal.SIGKILL
    finally:
        dying.kill()
    again = Child(replace(job, folder=str(tmp_path / "two")), {}, tmp_path / "again.log")
    try:
        again.until(lambda: any(True for _ in log.browse(MANIFESTS_READ.name)), "read the manifest", _PATIENCE_S)
    finally:
        again.kill()
    took_s = time.monotonic() - started
    found = dict[str, OrderRow]()
    count = 0
    for one in _rows(log):
        count += 1
        assert found.setdefault(one.case_id, one) == replace(one, event_time_ms=found[one.case_id].event_time_ms)
    reads = [Codec().decode_as(ManifestRead, record.value or b"") for record in log.browse(MANIFESTS_READ.name)]
    log.close()
    assert {one.order_number for one in found.values()} == {f"CMD-{number}" for number in range(rows)}
    assert len(found) == rows
    assert {one.revision for one in found.values()} == {1}
    assert [(one.status, one.rows, one.orders, one.rejected) for one in reads] == [("ok", rows, rows, 0)]
    row.saw(f"{rows:,} rows, of which {count - rows:,} stood at the death and came again, the same; {took_s:.0f} s")


def _rows(log: KafkaLog) -> Iterator[OrderRow]:
    codec = Codec()
    return (codec.decode_as(OrderRow, record.value or b"") for record in log.browse(ORDERS_ROWS.name))
