"""What each error of the client library means for us."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from ringtrue.errors import Away, Misconfigured
from ringtrue.settings import KafkaSettings
from ringtrue.streaming.kafka.errors import error_of, may_ask_again, sorted_error
from ringtrue.streaming.port import Fenced, LogAway, LogMismatch, PartitionsLost

SETTINGS = KafkaSettings(bootstrap_servers="kafka:9092", sasl_username="asr")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._FENCED, Fenced),
        (KafkaError.FENCED_INSTANCE_ID, Fenced),
        (KafkaError.INVALID_PRODUCER_EPOCH, Fenced),
        (KafkaError.ILLEGAL_GENERATION, PartitionsLost),
        (KafkaError.UNKNOWN_MEMBER_ID, PartitionsLost),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, LogMismatch),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Misconfigured),
        (KafkaError.MSG_SIZE_TOO_LARGE, Misconfigured),
        (KafkaError._AUTHENTICATION, Misconfigured),
        (KafkaError._TRANSPORT, LogAway),
        (KafkaError.COORDINATOR_NOT_AVAILABLE, LogAway),
        (KafkaError._FAIL, LogAway),
    ],
)
def test_each_error_is_sorted_by_what_is_to_be_done_about_it(code: int, kind: type[Exception]) -> None:
    assert type(sorted_error(KafkaError(code), "writing", SETTINGS)) is kind


def test_an_error_names_what_was_being_done_and_the_servers() -> None:
    error = sorted_error(KafkaError(KafkaError._TRANSPORT, "connection refused"), "writing to orders.rows", SETTINGS)
    assert isinstance(error, Away)
    assert str(error) == "kafka:9092: writing to orders.rows: connection refused (_TRANSPORT)"


@pytest.mark.parametrize(
    ("code", "names"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, ["'asr'", "ACL for this topic", "ringtrue topics acls"]),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, ["ACL for this group"]),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ["ACL for this transactional id"]),
        (KafkaError.MSG_SIZE_TOO_LARGE, ["RINGTRUE_LOG__MAX_RECORD_BYTES", "max.message.bytes"]),
        (KafkaError._AUTHENTICATION, ["RINGTRUE_KAFKA__SASL_PASSWORD"]),
        (KafkaError._SSL, ["RINGTRUE_KAFKA__SSL_CA_FILE"]),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, ["ringtrue topics create"]),
    ],
)
def test_what_a_person_must_mend_is_said_with_the_setting_or_the_command(code: int, names: list[str]) -> None:
    said = str(sorted_error(KafkaError(code), "reading segments.audio", SETTINGS))
    assert "reading segments.audio" in said
    assert all(name in said for name in names)


def test_questions_are_asked_again_while_brokers_move_or_a_transaction_is_pending() -> None:
    again = [KafkaError._TIMED_OUT, KafkaError.NOT_COORDINATOR, KafkaError.UNSTABLE_OFFSET_COMMIT]
    assert all(may_ask_again(KafkaError(code)) for code in again)
    assert not may_ask_again(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))


def test_an_exception_without_an_error_in_it_is_one_too() -> None:
    assert error_of(KafkaException("odd")).str() == "odd"
