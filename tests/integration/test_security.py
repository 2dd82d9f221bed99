"""A Kafka that trusts nobody: every service works with the rights that `ringtrue topics acls` lists, and needs them."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from ringtrue.settings import KafkaSettings
from ringtrue.streaming.kafka.acls import Acl, acls
from ringtrue.streaming.port import Outgoing
from ringtrue.streaming.topics import (
    CALLS_TRANSCRIBED,
    READ_BY,
    RECORDINGS_NOTIFICATIONS,
    SERVICES,
    STATEFUL,
    WRITTEN_BY,
    Topic,
    dead_letters,
    service_of,
    state_of,
)
from tests.e2e.folder import make_folder
from tests.integration.deployment import Deployment
from tests.integration.process import ringtrue
from tests.integration.users import Users
from tests.unit.storage.certificates import loopback_certificate

pytestmark = [pytest.mark.servers, pytest.mark.slow]


def of(secured: Deployment, kafka: KafkaSettings) -> dict[str, str]:
    """The environment of who reaches the cluster so."""
    return secured.settings.model_copy(update={"kafka": kafka}).environment()


def test_every_service_works_with_its_least_rights(secured: Deployment, users: Users, tmp_path: Path) -> None:
    prefix = secured.kafka.topic_prefix
    maker = users.make(Acl("topic", prefix, True, right) for right in ("Create", "Describe", "DescribeConfigs"))
    made = ringtrue(of(secured, maker), "topics", "create")
    assert made.returncode == 0, made.stderr
    secured.upload(make_folder(tmp_path / "source"))
    listing = secured.with_settings(ingest={"reconcile_every_s": 1.0, "reconcile_skip_s": 0.0})
    processes = [
        secured.start(name, settings=listing.model_copy(update={"kafka": users.make(acls(name, prefix))}))
        for name in SERVICES
    ]
    for process in processes:
        secured.until(process.ready, f"{process.names} is ready")
    judged = "SELECT order_number, verdict FROM orders WHERE verdict <> 'pending' ORDER BY order_number"
    wanted = [("CMD-1", "compliant"), ("CMD-2", "non_compliant")]
    secured.until(lambda: secured.rows(judged) == wanted, "both orders are judged")
    secured.log.append([Outgoing(RECORDINGS_NOTIFICATIONS.name, b"key", b"no notification", {})])
    refused = "SELECT error FROM dead_letters WHERE worker = 'ingest-intake'"
    secured.until(lambda: secured.rows(refused) == [("malformed_notification",)], "its dead letter is archived")
    assert [process.stop() for process in processes] == [0] * len(processes)


@pytest.mark.parametrize(
    ("service", "resource", "name", "operation"),
    [
        ("classifier", "topic", "calls.transcribed", "Read"),
        ("classifier", "topic", "calls.classified", "Write"),
        ("classifier", "topic", "classifier.dead-letters", "Write"),
        ("classifier", "group", "classifier", "Read"),
        ("classifier", "transactional-id", "classifier", "Write"),
        ("assembler", "topic", "assembler.state", "Write"),
    ],
)
def test_a_right_that_is_missing_ends_the_service_and_is_named(
    service: str, resource: str, name: str, operation: str, secured: Deployment, users: Users
) -> None:
    prefix = secured.kafka.topic_prefix
    secured.create_topics(topics_of(service))
    # It cannot be read, so it asks for everything: to be dead-lettered, and to be answered as failed.
    undecodable = Outgoing(CALLS_TRANSCRIBED.name, b"call", b"?", {"call_id": b"call", "run": b"1"})
    if service == "classifier":
        secured.log.append([undecodable])
    rights = acls(service, prefix)
    lacking = [one for one in rights if (one.resource, one.name, one.operation) == (resource, prefix + name, operation)]
    assert len(lacking) == 1
    user = users.make(one for one in rights if one not in lacking)
    process = secured.start(service, settings=secured.settings.model_copy(update={"kafka": user}))
    assert process.ends() == 2, process.said
    [reason] = reasons(process.said)
    assert prefix + name in reason
    assert f"lacks an ACL for this {resource.replace('-', ' ')}" in reason
    assert user.sasl_username in reason


def test_a_wrong_password_is_told_by_the_setting_to_check(secured: Deployment) -> None:
    wrong = secured.kafka.model_copy(update={"sasl_password": SecretStr("wrong")})
    is_told(secured, wrong, "RINGTRUE_KAFKA__SASL_PASSWORD")


def test_an_authority_that_did_not_sign_the_brokers_is_told_by_its_setting(secured: Deployment, tmp_path: Path) -> None:
    stranger, _ = loopback_certificate(tmp_path)
    wrong = secured.kafka.model_copy(update={"ssl_ca_file": stranger})
    is_told(secured, wrong, "RINGTRUE_KAFKA__SSL_CA_FILE")


def is_told(secured: Deployment, wrong: KafkaSettings, setting: str) -> None:
    """A service and a command both end and name the setting."""
    process = secured.start("classifier", settings=secured.settings.model_copy(update={"kafka": wrong}))
    done = ringtrue(of(secured, wrong), "topics", "check")
    assert done.returncode == 2, done.stderr
    assert setting in done.stderr
    assert process.ends() == 2, process.said
    assert setting in process.said


def topics_of(service: str) -> set[Topic]:
    """The topics that a service touches."""
    workers = [worker for worker in READ_BY if service_of(worker) == service]
    touched = {topic for worker in workers for topic in (*READ_BY[worker], *WRITTEN_BY[worker])}
    return touched | {state_of(worker) for worker in workers if worker in STATEFUL} | {dead_letters(service)}


def reasons(log: str) -> list[str]:
    """Why workers ended."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line["reason"] for line in lines if line["event"] == "worker ended"]
