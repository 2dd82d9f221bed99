"""Messages of the client library, and records of the port made from them."""

from confluent_kafka import Consumer, Message

from ringtrue.streaming.port import Record


def record_of(message: Message, prefix: str) -> Record:
    """The record of a message without error, `prefix` taken off its topic; of a repeated header the last one."""
    headers = dict[str, bytes]()
    for header in message.headers() or ():
        name, value = header[0], header[1]
        headers[str(name)] = value if isinstance(value, bytes) else b""
    return Record(
        topic=(message.topic() or "").removeprefix(prefix),
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=headers,
        timestamp_ms=message.timestamp()[1],
    )


def batch(consumer: Consumer, limit: int, wait_s: float) -> list[Message]:
    """Waits for a first message and takes what has come with it. `Consumer.consume` would wait for the whole batch."""
    first = consumer.poll(wait_s)
    if first is None:
        return []
    return [first, *consumer.consume(limit - 1, 0.0)] if limit > 1 else [first]
