"""What was sent to people, so that it is not sent twice: a delivery is begun, then done, or taken back."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ringtrue.database import writing
from ringtrue.database.tables import deliveries
from ringtrue.database.writes import Upsert
from ringtrue.times import now_ms

BEGUN, DONE = "begun", "done"


def claim(engine: sa.Engine, digest: str, subject: str, recipients: Sequence[str], *, again: bool) -> str | None:
    """Begins a delivery, which is the caller's from then on, and answers None; else how it stands: `BEGUN` or `DONE`.

    With `again` one that was begun before is begun once more; one that is done never is.
    """
    values = {"subject": subject, "recipients": list(recipients), "state": BEGUN, "at_ms": now_ms()}
    mine = deliveries.c.digest == digest
    with writing(engine) as connection:
        if Upsert(deliveries, {"digest": digest} | values).run(connection):
            return None
        state = str(connection.scalar(sa.select(deliveries.c.state).where(mine)))
        if state == BEGUN and again:
            connection.execute(sa.update(deliveries).where(mine).values(**values))
            return None
    return state


def done(engine: sa.Engine, digest: str) -> None:
    """The delivery is done."""
    with writing(engine) as connection:
        changed = {"state": DONE, "at_ms": now_ms()}
        connection.execute(sa.update(deliveries).where(deliveries.c.digest == digest).values(**changed))


def release(engine: sa.Engine, digest: str) -> None:
    """Nothing was sent: the delivery may be begun again."""
    with writing(engine) as connection:
        connection.execute(sa.delete(deliveries).where(deliveries.c.digest == digest))
