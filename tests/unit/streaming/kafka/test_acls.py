"""The least rights of each service."""

import pytest

from ringtrue.streaming.kafka.acls import Acl, acls
from ringtrue.streaming.topics import READ_BY, SERVICES, STATEFUL, TOPICS, WRITTEN_BY, service_of


def test_asr_reads_audio_and_its_backlog_and_writes_parts_and_dead_letters_and_no_more() -> None:
    assert acls("asr", "site1.") == [
        Acl("group", "site1.asr", False, "Describe"),
        Acl("group", "site1.asr", True, "Read"),
        Acl("group", "site1.onlooker", False, "Read"),
        Acl("topic", "site1.asr.dead-letters", False, "Write"),
        Acl("topic", "site1.segments.audio", False, "Read"),
        Acl("topic", "site1.segments.transcribed", False, "Write"),
        Acl("transactional-id", "site1.asr", True, "Write"),
    ]


def test_a_service_that_keeps_state_reads_and_writes_it() -> None:
    rights = acls("assembler", "")
    assert Acl("topic", "assembler.state", False, "Read") in rights
    assert Acl("topic", "assembler.state", False, "Write") in rights


@pytest.mark.parametrize("service", SERVICES)
def test_every_right_is_for_a_topic_of_the_table(service: str) -> None:
    named = {one.name for one in acls(service, "") if one.resource == "topic"}
    assert named <= {topic.name for topic in TOPICS}


def test_the_tables_of_readers_writers_and_state_speak_of_the_same_workers() -> None:
    assert READ_BY.keys() == WRITTEN_BY.keys()
    assert set(STATEFUL) <= READ_BY.keys()
    assert {service_of(worker) for worker in READ_BY} == set(SERVICES)
