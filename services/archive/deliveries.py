"""What was sent to people, so that it is not sent twice: a delivery is begun, then done, or taken back."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ringtrue.database import writing
from ringtrue.database.tables import deliveries
from ringtrue.database.writes import Upsert
from ringtrue.errors import Away
from ringtrue.times import local_iso, now_ms

BEGUN, DONE = "begun", "done"
_UTC = ZoneInfo("UTC")


def claim(engine: sa.Engine, digest: str, subject: str, recipients: Sequence[str], *, again: bool) -> bool:
    """Begins a delivery; False when it was done before. With `again` it is begun whatever was before.

    Raises:
        Away: It was begun before, and nobody knows whether it was done.
    """
    values = {"subject": subject, "recipients": list(recipients), "state": BEGUN, "at_ms": now_ms()}
    mine = deliveries.c.digest == digest
    with writing(engine) as connection:
        if Upsert(deliveries, {"digest": digest} | values).run(connection):
            return True
        if again:
            connection.execute(sa.update(deliveries).where(mine).values(**values))
            return True
        state, at_ms = connection.execute(sa.select(deliveries.c.state, deliveries.c.at_ms).where(mine)).one()
    if state == BEGUN:
        raise Away(
            f"{subject!r} was begun to be sent at {local_iso(at_ms, _UTC)}, and nobody knows whether it arrived. "
            "Ask a recipient; --email-again sends it once more"
        )
    return False


def done(engine: sa.Engine, digest: str) -> None:
    """The delivery is done."""
    with writing(engine) as connection:
        changed = {"state": DONE, "at_ms": now_ms()}
        connection.execute(sa.update(deliveries).where(deliveries.c.digest == digest).values(**changed))


def release(engine: sa.Engine, digest: str) -> None:
    """Nothing was sent: the delivery may be begun again."""
    with writing(engine) as connection:
        connection.execute(sa.delete(deliveries).where(deliveries.c.digest == digest))
