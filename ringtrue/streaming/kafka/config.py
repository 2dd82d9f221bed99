"""The configuration of each client, with the reason for each value that is not librdkafka's default."""

import logging
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaError

from ringtrue.settings import KafkaSettings
from ringtrue.streaming.kafka.clients import Config

_log = structlog.get_logger()


class _Forward(logging.Handler):
    """What the library has to say, among our own logs. Each call reports its error; so this is background."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.info("librdkafka", said=record.getMessage())


_LIBRARY = logging.Logger("librdkafka")
_LIBRARY.addHandler(_Forward())

#: What a Kafka message needs beside key, value and headers; generous.
_FRAMING_BYTES = 100_000
#: A dead letter holds another record whole, and what is wrong with it.
_LETTER_BYTES = 100_000
#: How soon to fetch again after the queue was full: with the default, a second, audio arrives in gulps.
_FULL_QUEUE_MS = 10
#: Between two reports of the library's statistics.
_STATISTICS_MS = 10_000


def max_message_bytes(max_record_bytes: int) -> int:
    """The largest message that topics must take."""
    return max_record_bytes + _LETTER_BYTES + _FRAMING_BYTES


def connection(settings: KafkaSettings) -> Config:
    """Where the brokers are and who we are."""
    config: Config = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "client.id": "ringtrue",
        # A broker that was away is asked again soon: workers wait for it.
        "reconnect.backoff.max.ms": 2_000,
        # "rebootstrap", new in librdkafka 2.16, forgets coordinators that it then never looks for again (#5511).
        "metadata.recovery.strategy": "none",
        "log_level": 4,
        "logger": _LIBRARY,
    }
    if settings.security_protocol.startswith("sasl"):
        config |= {
            "sasl.mechanisms": settings.sasl_mechanism,
            "sasl.username": settings.sasl_username,
            "sasl.password": settings.sasl_password.get_secret_value(),
        }
    if settings.security_protocol.endswith("ssl"):
        files = {
            "ssl.ca.location": settings.ssl_ca_file,
            "ssl.certificate.location": settings.ssl_certificate_file,
            "ssl.key.location": settings.ssl_key_file,
        }
        config |= {name: str(path) for name, path in files.items() if path is not None}
        if settings.ssl_key_password.get_secret_value():
            config["ssl.key.password"] = settings.ssl_key_password.get_secret_value()
    return config


def group_consumer(
    settings: KafkaSettings, group: str, instance: str | None, on_error: Callable[[KafkaError], None]
) -> Config:
    """A member of a group.

    Args:
        settings: Of the cluster.
        group: The group's full name.
        instance: Its `group.instance.id`, for a member that keeps its partitions over a restart.
        on_error: Told of errors that belong to no record, such as brokers that are away.
    """
    config = connection(settings) | {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        # Every position is given; one that retention has passed is an alarm, not a silent jump.
        "auto.offset.reset": "error",
        # Partition n of every input goes to one member; and members in the order of their slots.
        "partition.assignment.strategy": "range",
        "session.timeout.ms": int(settings.session_timeout_s * 1000),
        "heartbeat.interval.ms": max(50, min(3_000, int(settings.session_timeout_s * 1000 / 4))),
        "max.poll.interval.ms": int(max(settings.max_poll_interval_s, settings.session_timeout_s) * 1000),
        "enable.partition.eof": True,  # the wall clock counts only where a partition has been read to its end
        "queued.max.messages.kbytes": settings.queued_kb,
        "queued.min.messages": 1_000,
        "fetch.queue.backoff.ms": _FULL_QUEUE_MS,
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
        "statistics.interval.ms": _STATISTICS_MS,
        "error_cb": on_error,
    }
    if instance is not None:
        config["group.instance.id"] = instance
    return config


def onlooker(settings: KafkaSettings, group: str) -> Config:
    """A consumer for reading partitions from a place of its own choosing. It never joins the group that it names."""
    return connection(settings) | {
        "group.id": group,  # the library wants one that the user may describe; nothing is committed
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "queued.max.messages.kbytes": settings.queued_kb,
        "fetch.queue.backoff.ms": _FULL_QUEUE_MS,
        "fetch.wait.max.ms": 20,
    }


def transactional_producer(settings: KafkaSettings, transactional_id: str, max_record_bytes: int) -> Config:
    """A producer of transactions."""
    return connection(settings) | {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": int(settings.transaction_timeout_s * 1000),
        # One request at a time. With more, records are lost within a committed transaction: a broker that refuses a
        # partition's first batch (NOT_LEADER) and leads a moment later takes the second one, and librdkafka then calls
        # the first one "implicitly acked by subsequent batch success" (seen with 2.16 and Kafka 4.3).
        "max.in.flight": 1,
        # As Java producers do it: librdkafka's own partitioner would send a key to another partition.
        "partitioner": "murmur2_random",
        # A transaction right after another one meets CONCURRENT_TRANSACTIONS and waits for one back-off (servers.md).
        "retry.backoff.ms": 5,
        "linger.ms": 5,
        "compression.type": settings.compression,
        "message.max.bytes": max_message_bytes(max_record_bytes),
    }
