"""Processes of their own for the tests of this folder: `python -m tests.unit.streaming.child ACTION PATH`.

Actions:
    mortal    a worker that the message `poison` kills; ends when everything is committed
    chain     two workers, one behind the other; ends when everything is committed
"""

import os
import signal
import sys
from pathlib import Path

from ringtrue.errors import BadRecord
from ringtrue.messages import CallWanted
from ringtrue.streaming import worker as worker_module
from ringtrue.streaming.embedded import EmbeddedLog
from ringtrue.streaming.step import Step
from tests.unit.streaming.tiny import MIDDLE, OUT, Tiny, answer, message, open_tiny, run


class Mortal(Tiny):
    """Dies of `poison`."""

    def handle(self, step: Step) -> None:
        if step.message.call_id == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        answer(step)

    def refused(self, step: Step, problem: BadRecord) -> None:
        step.send(OUT, "key", message(step.message.call_id, problem.reason))


class First(Tiny):
    """Numbers the messages of each name, refuses one, and sends each twice."""

    name = "tiny-first"
    state = "tiny-first.state"
    limit = 3

    def handle(self, step: Step) -> None:
        name = step.message.call_id
        if name == "bad":
            raise BadRecord("rotten", "it is rotten")
        before = step.get(name, CallWanted)
        count = int(before.case_id) + 1 if before else 1
        step.put(name, message(name, str(count)))
        for half in "lr":
            step.send(MIDDLE, name, message(name, f"{count}{half}"))

    def refused(self, step: Step, problem: BadRecord) -> None:
        step.send(MIDDLE, "bad", message("bad", problem.reason))


class Second(Tiny):
    """Strings together what came of each name."""

    name = "tiny-second"
    inputs = (MIDDLE,)
    state = "tiny-second.state"
    limit = 2

    def handle(self, step: Step) -> None:
        name = step.message.call_id
        before = step.get(name, CallWanted)
        story = message(name, f"{before.case_id if before else ''} {step.message.case_id}")
        step.put(name, story)
        step.send(OUT, name, story)


def chain(log: EmbeddedLog) -> None:
    groups = {"tiny-first": ["in"], "tiny-second": ["middle"]}
    run(First(), Second(), log=log, done=lambda: not any(log.backlog(groups).values()))


def main(action: str, path: str) -> None:
    worker_module._WAIT_S = 0.02
    log = open_tiny(Path(path), partitions=2 if action == "chain" else 1)
    if action == "chain":
        chain(log)
    else:
        run(Mortal(), log=log)
    log.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
