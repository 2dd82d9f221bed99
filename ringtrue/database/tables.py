"""What the database keeps: one table per kind of result, the columns named like the message fields they come from.

`calls`, `transcripts` and `classifications` each hold the newest message of a call on their topic, with the run it is
of. They arrive in any order. So a call whose `calls.run` is greater than its `classifications.run` is in flight, and
what stands in `classifications` is its previous final result until then. `orders` is each case as it stands with a
pointer to its newest verdict in `verdicts`, which keeps every evaluation. `manifest_rows` knows which cases each
manifest holds. `deliveries` is what was sent by e-mail. `positions` is how far the archive has read, written in the
same transaction as the rows.

No foreign keys: the rows of one call come from several topics, whose order among each other nobody promises.
All `*_ms` of wall time are UTC milliseconds, all within recordings milliseconds from the start.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData()


class Text(TypeDecorator[str]):
    """Text. PostgreSQL cannot hold U+0000, which a sidecar can bring; it becomes U+FFFD in every database."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """The text as it is stored."""
        return value if value is None else value.replace("\0", "\ufffd")


_Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_Int = sa.BigInteger
_Real = sa.Double


calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", Text, primary_key=True),
    sa.Column("run", _Int, nullable=False),
    sa.Column("revision", _Int, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("failure", _Json),
    sa.Column("bucket", Text, nullable=False),
    sa.Column("key", Text, nullable=False),
    sa.Column("etag", Text, nullable=False),
    sa.Column("size", _Int, nullable=False),
    sa.Column("requested", sa.Boolean, nullable=False),
    sa.Column("client_number", Text),
    sa.Column("agent_number", Text),
    sa.Column("external_id", Text),
    sa.Column("branch", Text),
    sa.Column("started_at_ms", _Int),
    sa.Column("ended_at_ms", _Int),
    sa.Column("warnings", _Json, nullable=False),
    sa.Column("registered_at_ms", _Int, nullable=False),
    sa.Column("arrived_at_ms", _Int),
    sa.Index("calls_by_client", "client_number", "started_at_ms"),
    sa.Index("calls_by_external_id", "external_id"),
)

transcripts = sa.Table(
    "transcripts",
    metadata,
    sa.Column("call_id", Text, primary_key=True),
    sa.Column("run", _Int, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("failure", _Json),
    sa.Column("text", Text, nullable=False),
    sa.Column("words", _Json, nullable=False),
    sa.Column("parts_total", _Int, nullable=False),
    sa.Column("parts_failed", _Int, nullable=False),
    sa.Column("model", Text, nullable=False),
    sa.Column("model_revision", Text, nullable=False),
    sa.Column("transcribed_at_ms", _Int, nullable=False),
    sa.Column("language", Text),
    sa.Column("margin", _Real),
)

classifications = sa.Table(
    "classifications",
    metadata,
    sa.Column("call_id", Text, primary_key=True),
    sa.Column("run", _Int, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("failure", _Json),
    sa.Column("duration_ms", _Int),
    sa.Column("ring_count", _Int),
    sa.Column("ring_confidence", _Real),
    sa.Column("voicemail_tone", sa.Boolean),
    sa.Column("heard", _Json),
    sa.Column("acquisition_outcome", _Int, nullable=False),
    sa.Column("acquisition", _Json, nullable=False),
    sa.Column("sav_outcome", _Int, nullable=False),
    sa.Column("sav", _Json, nullable=False),
    sa.Column("behaviour", _Int, nullable=False),
    sa.Column("engine", Text, nullable=False),
    sa.Column("engine_version", Text, nullable=False),
    sa.Column("model_revision", Text, nullable=False),
    sa.Column("classified_at_ms", _Int, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary),
    sa.Column("shown", _Json),
    sa.Column("model", Text),
    sa.Column("prompt", Text),
    sa.Column("shortened", sa.Boolean),
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("manifest", Text, primary_key=True),
    sa.Column("revision", _Int, nullable=False),
    sa.Column("etag", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("failure", _Json),
    sa.Column("kind", Text, nullable=False),
    sa.Column("category", Text, nullable=False),
    sa.Column("day", Text, nullable=False),
    sa.Column("rows", _Int, nullable=False),
    sa.Column("orders", _Int, nullable=False),
    sa.Column("skipped", _Int, nullable=False),
    sa.Column("rejected", _Int, nullable=False),
    sa.Column("read_at_ms", _Int, nullable=False),
    sa.Index("manifests_by_day", "day"),
)

manifest_rows = sa.Table(
    "manifest_rows",
    metadata,
    sa.Column("manifest", Text, primary_key=True),
    sa.Column("case_id", Text, primary_key=True),
    sa.Column("order_number", Text, nullable=False),
    sa.Column("row", _Int, nullable=False),
    sa.Column("revision", _Int, nullable=False),
    sa.Column("status", Text, nullable=False),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("case_id", Text, primary_key=True),
    sa.Column("order_number", Text, nullable=False),
    sa.Column("client_number", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("category", Text, nullable=False),
    sa.Column("motif", Text, nullable=False),
    sa.Column("motif_outcome", _Int, nullable=False),
    sa.Column("ordered_at_ms", _Int, nullable=False),
    sa.Column("suspended_at_ms", _Int, nullable=False),
    sa.Column("window_start_ms", _Int, nullable=False),
    sa.Column("work_order", Text),
    sa.Column("line_number", Text),
    sa.Column("line_id", Text),
    sa.Column("city", Text),
    sa.Column("name", Text),
    sa.Column("manifest", Text, nullable=False),
    sa.Column("row", _Int, nullable=False),
    sa.Column("revision", _Int, nullable=False),
    sa.Column("evaluation", _Int, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("changed_at_ms", _Int, nullable=False),
    # The newest verdict; -1 and null until there is one.
    sa.Column("verdict", Text),
    sa.Column("verdict_revision", _Int, nullable=False, server_default="-1"),
    sa.Column("verdict_evaluation", _Int, nullable=False, server_default="-1"),
    sa.Index("orders_by_number", "order_number"),
    sa.Index("orders_by_client", "client_number", "suspended_at_ms"),
    sa.Index("orders_by_verdict", "verdict"),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("case_id", Text, primary_key=True),
    sa.Column("revision", _Int, primary_key=True, autoincrement=False),
    sa.Column("evaluation", _Int, primary_key=True, autoincrement=False),
    sa.Column("order_number", Text, nullable=False),
    sa.Column("client_number", Text, nullable=False),
    sa.Column("verdict", Text, nullable=False),
    sa.Column("findings", _Json, nullable=False),
    sa.Column("waiting_for", _Json, nullable=False),
    sa.Column("attempts", _Json, nullable=False),
    sa.Column("comment", Text, nullable=False),
    sa.Column("unassigned", _Int, nullable=False),
    sa.Column("rules_hash", Text, nullable=False),
    sa.Column("declared", _Json, nullable=False),
    sa.Column("manifest", Text, nullable=False),
    sa.Column("row", _Int, nullable=False),
    sa.Column("judged_at_ms", _Int, nullable=False),
    sa.Column("warnings", _Json),
    sa.Column("layouts_hash", Text),
    sa.Column("models_hash", Text),
    sa.Column("inputs_hash", Text),
)

#: A dead letter is named by where it stands itself; `source_*` say which record was refused. One record can bring
#: several: a manifest brings one for each row that cannot be used.
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("topic", Text, primary_key=True),
    sa.Column("partition", _Int, primary_key=True, autoincrement=False),
    sa.Column("offset", _Int, primary_key=True, autoincrement=False),
    sa.Column("service", Text, nullable=False),
    sa.Column("worker", Text, nullable=False),
    sa.Column("service_version", Text, nullable=False),
    sa.Column("source_topic", Text, nullable=False),
    sa.Column("source_partition", _Int, nullable=False),
    sa.Column("source_offset", _Int, nullable=False),
    sa.Column("key", sa.LargeBinary),
    sa.Column("value", sa.LargeBinary),
    sa.Column("part", sa.LargeBinary),
    sa.Column("headers", _Json, nullable=False),
    sa.Column("timestamp_ms", _Int, nullable=False),
    sa.Column("error", Text, nullable=False),
    sa.Column("message", Text, nullable=False),
    sa.Column("subject", Text, nullable=False),
    sa.Column("call_id", Text),
    sa.Column("run", _Int),
    sa.Column("attempt", _Int, nullable=False),
    sa.Column("refused_at_ms", _Int, nullable=False),
    sa.Index("dead_letters_by_time", "refused_at_ms"),
    sa.Index("dead_letters_by_call", "call_id"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("digest", Text, primary_key=True),
    sa.Column("subject", Text, nullable=False),
    sa.Column("recipients", _Json, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("at_ms", _Int, nullable=False),
)

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("topic", Text, primary_key=True),
    sa.Column("partition", _Int, primary_key=True, autoincrement=False),
    sa.Column("next_offset", _Int, nullable=False),
    sa.Column("log_id", Text, nullable=False),
)
