"""Two workers in a chain, killed at every mark: what they leave behind is what an undisturbed run leaves behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import get_args

import pytest

from ringtrue.streaming.faults import KILL, WorkerMark
from ringtrue.streaming.port import Subscription
from tests.unit.streaming.child import First, Second, chain
from tests.unit.streaming.tiny import MIDDLE, OUT, cases, feed, left, letters, names, open_tiny

MESSAGES = [*"abab", "bad", *"caaccb"]


def fill(path: Path) -> None:
    log = open_tiny(path, partitions=2)
    feed(log, *MESSAGES)
    log.close()


def remains(path: Path) -> Mapping[str, object]:
    """Everything that the two workers leave behind."""
    log = open_tiny(path, partitions=2)
    state = dict[str, object]()
    for worker in (First(), Second()):
        member = log.join(Subscription("onlooker", worker.name, (), worker.state))
        state |= {f"{worker.name}/{number}": list(member.state(number).scan("")) for number in (0, 1)}
        member.leave()
    # Records of different keys may change places, those of one key must not: sorted() leaves them as they are.
    sent = {
        topic.name: sorted(zip(names(log, topic), cases(log, topic), strict=True), key=itemgetter(0))
        for topic in (MIDDLE, OUT)
    }
    refused = [(letter.error, letter.offset) for letter in letters(log)]
    behind = [left(log, worker) for worker in (First(), Second())]
    log.close()
    return {"state": state, "sent": sent, "refused": refused, "left": behind}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    path = tmp_path_factory.mktemp("undisturbed") / "log.sqlite"
    fill(path)
    log = open_tiny(path, partitions=2)
    chain(log)
    log.close()
    return remains(path)


def test_an_undisturbed_run_handles_everything(undisturbed: Mapping[str, object]) -> None:
    assert undisturbed["left"] == [0, 0]
    sent = undisturbed["sent"]
    assert isinstance(sent, dict)
    assert [case for name, case in sent["out"] if name == "a"][-1] == " 1l 1r 2l 2r 3l 3r 4l 4r"
    refused = undisturbed["refused"]
    assert isinstance(refused, list)
    assert refused == [("rotten", refused[0][1])]


@pytest.mark.parametrize("worker", ["tiny-first", "tiny-second"])
@pytest.mark.parametrize("mark", get_args(WorkerMark))
def test_a_kill_at_any_mark_changes_nothing(
    tmp_path: Path, undisturbed: Mapping[str, object], worker: str, mark: WorkerMark
) -> None:
    path = tmp_path / "log.sqlite"
    fill(path)
    command = [sys.executable, "-m", "tests.unit.streaming.child", "chain", str(path)]
    killed = subprocess.run(command, env=os.environ | {KILL: f"{worker}:{mark}:2"}, timeout=20)
    assert killed.returncode == -signal.SIGKILL
    log = open_tiny(path, partitions=2)
    chain(log)
    log.close()
    assert remains(path) == undisturbed
