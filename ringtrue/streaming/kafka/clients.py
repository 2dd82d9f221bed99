"""The client library, behind a seam: tests put a simulator in its place."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from ringtrue.times import now_ms

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clients:
    """How clients are made, and the clocks that deadlines are taken from.

    Attributes:
        consumer: Makes a consumer.
        producer: Makes a producer.
        admin: Makes an admin client.
        monotonic: Seconds of a clock that never goes back.
        now_ms: The wall clock, UTC milliseconds.
        sleep: Waits for so many seconds.
    """

    consumer: Callable[[Config], Consumer] = Consumer
    producer: Callable[[Config], Producer] = Producer
    admin: Callable[[Config], AdminClient] = AdminClient
    monotonic: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = now_ms
    sleep: Callable[[float], None] = time.sleep


#: The real library.
LIBRDKAFKA = Clients()
