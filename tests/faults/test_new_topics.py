"""The first transaction on partitions whose leader is only just taking them over: it must be whole, or not be."""

import random
import uuid
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from ringtrue.settings import KafkaSettings, LogSettings
from ringtrue.streaming.kafka.clients import LIBRDKAFKA
from ringtrue.streaming.kafka.config import connection, transactional_producer
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.kafka.transactions import ToWrite, Transactions
from tests.faults.conftest import Row

pytestmark = pytest.mark.servers

_TOPICS, _RECORDS = 40, 16
#: So that what one partition gets does not fit one batch.
_RECORD_BYTES = 390_000


def test_the_first_transaction_on_new_partitions_is_whole(kafka_server: str, tmp_path: Path, row: Row) -> None:
    row("partition without leader", f"a transaction at the very moment when its topic is made, {_TOPICS} times")
    prefix = f"faults-{uuid.uuid4().hex[:10]}."
    settings = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=prefix)
    admin = AdminClient(connection(settings))
    value = random.Random(0).randbytes(_RECORD_BYTES)
    keys = [f"call-{number}".encode() for number in range(_RECORDS)]
    log = KafkaLog(settings, LogSettings(), tmp_path)
    for number in range(_TOPICS):
        name = f"new-{number}"
        # Not through our log, which waits until a new topic is known.
        admin.create_topics([NewTopic(prefix + name, 4, 1)])[prefix + name].result()
        writer = Transactions(LIBRDKAFKA, transactional_producer(settings, prefix + name, 1_000_000), settings)
        writer.run(ToWrite(prefix + name, None, key, value) for key in keys)
        writer.close()
        assert Counter(record.key for record in log.browse(name)) == Counter(keys)
        admin.delete_topics([prefix + name])  # which keeps the broker busy while it makes the next one
    log.close()
    row.saw(f"{_TOPICS * _RECORDS} of {_TOPICS * _RECORDS} records, each once")
