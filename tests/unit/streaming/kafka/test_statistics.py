"""librdkafka's statistics as metrics."""

import json

from ringtrue.streaming.kafka.statistics import CONSUMER_LAG, FETCH_QUEUE, ROUND_TRIP, report


def test_a_report_becomes_lag_by_topic_queued_bytes_and_the_slowest_round_trip() -> None:
    partitions = {
        "0": {"partition": 0, "consumer_lag": 7, "fetchq_size": 1000},
        "1": {"partition": 1, "consumer_lag": -1, "fetchq_size": 50},  # not known yet
        "-1": {"partition": -1, "consumer_lag": 99, "fetchq_size": 99},  # librdkafka's own, for messages without one
    }
    told = {
        "topics": {"segments.audio": {"partitions": partitions}},
        "brokers": {"a": {"rtt": {"avg": 1500}}, "b": {"rtt": {"avg": 2500}}, "bootstrap": {}},
    }
    assert report("asr", json.dumps(told)) == 0
    assert CONSUMER_LAG.labels("asr", "segments.audio")._value.get() == 7
    assert FETCH_QUEUE.labels("asr")._value.get() == 1050
    assert ROUND_TRIP.labels("asr")._value.get() == 0.0025


def test_a_consumer_without_its_groups_coordinator_is_told_with_how_long() -> None:
    for state, seconds in (("up", 0.0), ("query-coord", 20.5)):
        assert report("asr", json.dumps({"cgrp": {"state": state, "stateage": 20_500}})) == seconds
