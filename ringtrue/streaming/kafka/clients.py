"""The client library, behind a seam: tests put a simulator in its place."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from ringtrue.times import now_ms

Config = dict[str, Any]

_MANY = 1_000
#: Closing waits for an answer of the group's coordinator, if there is one.
_CLOSE_S = 10.0


def within(call: Callable[[], None], seconds: float) -> bool:
    """Makes a call that may ignore its own time-out; whether it came back in time. Else it goes on in its thread.

    `send_offsets_to_transaction` is such a call while the group's coordinator is away (librdkafka #5456).
    """
    outcome = SimpleQueue[BaseException | None]()

    def run() -> None:
        try:
            call()
        except BaseException as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, name="bounded call", daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except Empty:
        return False
    if error is not None:
        raise error
    return True


def leave(consumer: Consumer, bounded: Callable[[Callable[[], None], float], bool] = within) -> bool:
    """Closes a consumer that has subscribed; whether it came back. Its callbacks may be called once more.

    `close` never comes back from the callback of an assignment that was still to be told (librdkafka #4884). So there
    must be no more of them first, and then those that wait are told. One may still slip in, from an answer that was
    under way; then the consumer has left its group, and hangs in a thread of its own.
    """
    with suppress(KafkaException):  # of one that was fenced: it will not be told of any
        consumer.unsubscribe()
    while consumer.consume(_MANY, 0):
        pass
    return bounded(consumer.close, _CLOSE_S)


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
        within: Makes a call that may not come back in so many seconds.
    """

    consumer: Callable[[Config], Consumer] = Consumer
    producer: Callable[[Config], Producer] = Producer
    admin: Callable[[Config], AdminClient] = AdminClient
    monotonic: Callable[[], float] = time.monotonic
    now_ms: Callable[[], int] = now_ms
    sleep: Callable[[float], None] = time.sleep
    within: Callable[[Callable[[], None], float], bool] = within


#: The real library.
LIBRDKAFKA = Clients()
