"""The way of notifications from the one topic that MinIO writes to into the topic of a test's own deployment.

MinIO has one topic for its bucket, tests have deployments of their own. The relay hands on what concerns the test's
part of the bucket, byte by byte, and where a test asks for it, it loses or doubles notifications as a network may.
"""

import threading
from collections.abc import Callable

from confluent_kafka import Consumer, Producer, TopicPartition

from ringtrue.streaming.topics import RECORDINGS_NOTIFICATIONS

_NAME = RECORDINGS_NOTIFICATIONS.name
_CALL_S = 20.0


class Relay:
    """Hands on notifications until closed.

    Args:
        bootstrap: The brokers.
        to: The prefix of the deployment's topics.
        begins: How the keys of the records that concern it begin: `bucket/prefix`.
    """

    def __init__(self, bootstrap: str, to: str, begins: str) -> None:
        #: How often a notification of this object key is handed on.
        self.copies: Callable[[str], int] = lambda key: 1
        #: The object keys of all notifications, also of the lost ones.
        self.seen = list[str]()
        self._topic, self._begins = f"{to}{_NAME}", begins
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{to}relay", "fetch.wait.max.ms": 20})
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
        partitions = self._consumer.list_topics(_NAME, timeout=_CALL_S).topics[_NAME].partitions
        places = [TopicPartition(_NAME, number) for number in partitions]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=_CALL_S)[1]
        self._consumer.assign(places)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay")
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._ending.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            name = (message.key() or b"").decode()
            if name.startswith(self._begins):
                key = name.partition("/")[2]
                for _ in range(self.copies(key)):
                    self._producer.produce(self._topic, message.value(), message.key())
                self._producer.flush(_CALL_S)
                self.seen.append(key)
