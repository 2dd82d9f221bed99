"""`ringtrue topics` against a real broker: made from the table, compared with it, never altered."""

import json
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from typer.testing import CliRunner

from ringtrue.cli.app import command_line
from ringtrue.streaming.topics import TOPICS

pytestmark = pytest.mark.servers


@pytest.fixture
def prefix(kafka_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    prefix = f"topics-{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("RINGTRUE_KAFKA__BOOTSTRAP_SERVERS", kafka_server)
    monkeypatch.setenv("RINGTRUE_KAFKA__TOPIC_PREFIX", prefix)
    monkeypatch.setenv("RINGTRUE_LOG__PARTITIONS", "2")
    monkeypatch.setenv("RINGTRUE_DATA_DIR", str(tmp_path))
    return prefix


def topics(*arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    result = CliRunner().invoke(command_line("topics"), ["topics", *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_missing_topics_are_made_once_and_are_as_they_should_be(prefix: str) -> None:
    code, told = topics("check")
    assert code == 1
    assert {(one["setting"], one["found"]) for one in told["differences"]} == {("topic", "missing")}
    code, told = topics("create")
    assert (code, len(told["created"]), told["differences"]) == (0, len(TOPICS), [])
    code, told = topics("create")
    assert (code, told["created"], told["differences"]) == (0, [], [])


def test_a_topic_that_differs_is_explained_and_left_alone(prefix: str, kafka_server: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_server})
    odd = f"{prefix}segments.audio"
    admin.create_topics([NewTopic(odd, 3, 1)])[odd].result()
    code, told = topics("check")
    differences = {one["setting"]: one for one in told["differences"] if one["topic"] == odd}
    assert code == 1
    assert differences["partitions"]["found"] == "3"
    assert "RINGTRUE_LOG__PARTITIONS=3" in differences["partitions"]["remedy"]
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, odd, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result()
    for command in ("check", "create"):
        result = CliRunner().invoke(command_line("topics"), ["topics", command, "--json"])
        assert result.exit_code != 0
    code, told = topics("check")
    [retention] = [one for one in told["differences"] if (one["topic"], one["setting"]) == (odd, "retention.ms")]
    assert retention["found"] == "1000"
    assert f"--entity-name {odd} --add-config retention.ms={retention['wanted']}" in retention["remedy"]
