"""What an error of the client library means for us, sorted here once.

What may be tried again is tried again where it happens (`transactions.py`); what is left comes here.
"""

from confluent_kafka import KafkaError, KafkaException

from ringtrue.errors import Misconfigured, RingtrueError
from ringtrue.settings import KafkaSettings
from ringtrue.streaming.port import Fenced, LogAway, LogMismatch, PartitionsLost

#: Another client took our transactional id or our group instance id.
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
    }
)
#: The group has gone on without us.
_LOST = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS})
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
#: The cluster has no such topic.
UNKNOWN_TOPIC = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
#: What a consumer reports in passing and gets over by itself.
PASSING = frozenset(
    {
        KafkaError._PARTITION_EOF,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
    }
)
#: Asked of a broker that does not lead any more, by what the client knew: it must ask who does.
MOVED = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
#: A question that may be asked again, also where the library does not say so (it does for transactions only).
_AGAIN = MOVED | frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._WAIT_COORD,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)
#: What the user's ACLs lack.
_DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
}


def error_of(exception: KafkaException) -> KafkaError:
    """The error that an exception of the library carries."""
    error = exception.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(error))


def may_ask_again(error: KafkaError) -> bool:
    """Whether a question that changes nothing may be answered the next time."""
    return error.retriable() or error.code() in _AGAIN


def sorted_error(error: KafkaError, doing: str, settings: KafkaSettings) -> RingtrueError:
    """Our error for one of the library's.

    Args:
        error: What the library says.
        doing: What was being done, with which topic, group or id: "writing to orders.rows".
        settings: To name what may be wrong.
    """
    code = error.code()
    said = f"{doing}: {error.str()} ({error.name()})"
    if code in _FENCED:
        return Fenced(f"another process has taken over: {said}")
    if code in _LOST:
        return PartitionsLost(said)
    if code in _DENIED:
        return Misconfigured(
            f"{said}. The Kafka user {settings.sasl_username or 'ANONYMOUS'!r} lacks an ACL for this {_DENIED[code]}; "
            "`ringtrue topics acls` lists what each service needs"
        )
    if code in _TOO_LARGE:
        return Misconfigured(
            f"{said}. The broker takes less than RINGTRUE_LOG__MAX_RECORD_BYTES allows: raise max.message.bytes of the "
            "topic (`ringtrue topics check` shows it), or lower the setting"
        )
    if code in UNKNOWN_TOPIC:
        return LogMismatch(f"{said}. Create the topics first: `ringtrue topics create`")
    if code == KafkaError._AUTHENTICATION:
        return Misconfigured(f"{said}. Check RINGTRUE_KAFKA__SASL_USERNAME and RINGTRUE_KAFKA__SASL_PASSWORD")
    if code == KafkaError._SSL:
        return Misconfigured(f"{said}. Check RINGTRUE_KAFKA__SSL_CA_FILE and RINGTRUE_KAFKA__SECURITY_PROTOCOL")
    return LogAway(f"{settings.bootstrap_servers}: {said}")
