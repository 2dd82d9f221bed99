"""librdkafka's statistics as metrics.

Source: librdkafka, STATISTICS.md: `topics.*.partitions.*.consumer_lag`, `fetchq_size`, `brokers.*.rtt`, `cgrp.state`.
"""

import json

from prometheus_client import Gauge

CONSUMER_LAG = Gauge(
    "ringtrue_kafka_consumer_lag_records",
    "Offsets between the committed position and the end, control records included: it seldom rests at 0",
    ["group", "topic"],
)
FETCH_QUEUE = Gauge("ringtrue_kafka_fetch_queue_bytes", "Bytes fetched and not handed out yet", ["group"])
ROUND_TRIP = Gauge("ringtrue_kafka_round_trip_seconds", "Mean round trip to the slowest broker", ["group"])


def report(group: str, text: str) -> float:
    """Takes over one report of a consumer; for how many seconds it has done nothing but want its group's coordinator.

    The age is that of its present state: who asks and is answered changes state with each question.
    """
    told = json.loads(text)
    queued = 0
    for name, topic in told.get("topics", {}).items():
        partitions = [one for one in topic.get("partitions", {}).values() if one.get("partition", -1) >= 0]
        CONSUMER_LAG.labels(group, name).set(sum(max(0, one.get("consumer_lag", 0)) for one in partitions))
        queued += sum(one.get("fetchq_size", 0) for one in partitions)
    FETCH_QUEUE.labels(group).set(queued)
    trips = [broker.get("rtt", {}).get("avg", 0) for broker in told.get("brokers", {}).values()]
    ROUND_TRIP.labels(group).set(max(trips, default=0) / 1e6)
    member = told.get("cgrp", {})
    return 0.0 if member.get("state", "up") == "up" else float(member.get("stateage", 0)) / 1000
