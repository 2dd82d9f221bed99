"""From the bucket to the verdict on real servers, with the demo model, and every service killed on the way."""

import json
import signal
from collections import Counter
from typing import Any

import pytest

from ringtrue.cli.demo import differences
from ringtrue.cli.summary import results_of
from ringtrue.resources import resource
from ringtrue.streaming.topics import (
    CALLS_CLASSIFIED,
    CALLS_HEARD,
    CALLS_REQUESTED,
    CALLS_TRANSCRIBED,
    SEGMENTS_AUDIO,
    SEGMENTS_TRANSCRIBED,
    Topic,
)
from tests.integration.deployment import Deployment
from tests.integration.relay import Relay

pytestmark = [pytest.mark.servers, pytest.mark.slow]

#: Where each service dies, in the order in which they get something to do.
DEATHS = {
    "ingest": "ingest-segment:handled:1",
    "compliance": "compliance-facts:committed:1",
    "asr": "asr:handled:1",
    "assembler": "assembler:committed:1",
    "classifier": "classifier:handled:1",
    "archive": "archive:committed:2",
}
#: Recordings of the samples, and how many of them nothing can be heard in.
CALLS, UNHEARD = 21, 2


def test_the_examples_get_their_verdicts_though_every_service_is_killed(deployment: Deployment, relay: Relay) -> None:
    relay.copies = lambda key: 2
    settings = deployment.with_settings(asr={"engine": "ctc"})
    killed = [deployment.start(name, settings=settings, dies=mark) for name, mark in DEATHS.items()]
    deployment.upload(resource("examples/bucket"))  # the sidecars before their recordings
    for process in killed:
        assert process.ends() == -signal.SIGKILL, process.said
        deployment.start(*process.names, settings=settings)
    deployment.until(lambda: deployment.rows("SELECT count(*) FROM calls") == [(CALLS,)], "every call is archived")
    deployment.upload(resource("examples/late"))  # a sidecar after its recording
    unassigned = "SELECT count(*) FROM calls WHERE client_number IS NULL"
    deployment.until(lambda: deployment.rows(unassigned) == [(0,)], "the late sidecar has said whose call it is")
    deployment.settles()
    # Nothing has been listed: what is known, notifications have told, and nobody has said yet that it is everything.
    assert deployment.rows("SELECT DISTINCT verdict FROM verdicts") == [("pending",)]
    deployment.ringtrue("reconcile")

    def surprises() -> list[str]:
        return differences(results_of(deployment.settings)["orders"], resource("examples/expected.yaml"))

    deployment.until(lambda: not surprises(), "the verdicts are the intended ones")
    deployment.settles()
    assert surprises() == []
    books = json.loads(deployment.ringtrue("status", "--json"))["books"]
    assert books["seen"] == books["registered"] + books["duplicates"] + books["refused"]
    ended = (books["registered"], books["finished"], books["failed"], books["in_flight"])
    assert ended == (CALLS, CALLS - UNHEARD, UNHEARD, 0)
    once(deployment, CALLS_REQUESTED, CALLS_HEARD, CALLS_TRANSCRIBED, CALLS_CLASSIFIED)
    once(deployment, SEGMENTS_AUDIO, SEGMENTS_TRANSCRIBED)


def once(deployment: Deployment, *topics: Topic) -> None:
    """Each topic holds one message per call, or per part of a call; all speak of the same, and of one run of each."""
    found = list[set[Any]]()
    for topic in topics:
        named = [(one.call_id, one.run, getattr(one, "index", 0)) for one in deployment.messages(topic)]
        assert [name for name, count in Counter(named).items() if count > 1] == [], topic.name
        found.append(set(named))
    assert all(one == found[0] for one in found)
    assert len({(call_id, index) for call_id, _, index in found[0]}) == len(found[0])
