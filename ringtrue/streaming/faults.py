"""Marks at which a test lets the process die or stop, to prove that nothing is lost or doubled.

`RINGTRUE_TEST_KILL=who:mark:n` ends the process with SIGKILL when `who` passes `mark` for the n-th time. With
`RINGTRUE_TEST_SIGNAL=SIGSTOP` it stops there instead, until someone sends SIGCONT. Who passes is a worker, on Kafka
also a transactional id, a group or a state topic. Without the variable a mark costs one comparison.
"""

import os
import signal
from typing import Literal

#: Passed by every worker, on any log.
WorkerMark = Literal["received", "handled", "committed"]
#: Passed on Kafka besides.
KafkaMark = Literal[
    # Within a transaction on Kafka, passed by its transactional id.
    "begun",
    "written",
    "flushed",
    "sent",
    "decided",
    # While partitions are taken over on Kafka: "fetched" and "restored" by the group, the others by the state topic.
    "fetched",
    "barrier",
    "restoring",
    "restored",
]
Mark = WorkerMark | KafkaMark

#: The variable that names the mark.
KILL = "RINGTRUE_TEST_KILL"
#: The variable that names the signal.
SIGNAL = "RINGTRUE_TEST_SIGNAL"

_target = os.environ.get(KILL, "")
_passed = 0


def passes(who: str, mark: Mark) -> None:
    """Dies here when the test run says so."""
    global _passed
    if _target and _target.rpartition(":")[0] == f"{who}:{mark}":
        _passed += 1
        if _passed == int(_target.rpartition(":")[2]):
            os.kill(os.getpid(), signal.Signals[os.environ.get(SIGNAL, "SIGKILL")])
