"""Intake: notifications of the bucket become records of their own key. Remembers nothing, asks nobody.

Only what lies in the source is taken. A notified object outside of it would be registered although no listing, and so
no coverage mark, ever speaks of it.
"""

from ringtrue.errors import BadRecord
from ringtrue.messages import ObjectSeen
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import MANIFESTS_SEEN, READ_BY, RECORDINGS_SEEN, Topic
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import DROPPED
from services.ingest.objects import Ignored, MalformedNotification, parse_notification


def route(seen: ObjectSeen) -> tuple[Topic, str]:
    """Where a reported object goes: its topic and its key there."""
    if seen.kind == "manifest":
        return MANIFESTS_SEEN, f"{seen.bucket}/{seen.key}"
    return RECORDINGS_SEEN, seen.call_id or f"{seen.bucket}/{seen.key}"


class Intake(Worker):
    """`recordings.notifications` to `recordings.seen` and `manifests.seen`.

    Args:
        bucket: The source's bucket.
        prefix: What the keys of the source begin with.
    """

    name = "ingest-intake"
    inputs = READ_BY["ingest-intake"]

    def __init__(self, bucket: str, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        try:
            found = parse_notification(step.message)
        except MalformedNotification as error:
            raise BadRecord("malformed_notification", str(error)) from error
        for item in found:
            if isinstance(item, Ignored):
                DROPPED.labels(self.name, "no new object").inc()
            elif item.bucket != self._bucket or not item.key.startswith(self._prefix):
                DROPPED.labels(self.name, "outside of the source").inc()
            else:
                step.send(*route(item), item)
