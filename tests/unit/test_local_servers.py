"""The parts of `deploy/local/servers` that need no server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from local_servers import processes
from local_servers.cli import main
from local_servers.errors import WrongUse
from local_servers.places import State, default_state
from local_servers.processes import Launch
from local_servers.s3 import Bucket, Request, signed_headers

# Processes that outlive whoever starts them are the point here.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

_SLEEPS = Launch([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"], os.environ)
_STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    """Where a process of the test is written down; whoever stands there at the end is killed."""
    path = tmp_path / "pid"
    yield path
    if identity := processes.recorded(path):
        processes.stop(identity, signal.SIGKILL, 10)


def _wait_until_up(log: Path) -> None:
    subprocess.run(["sh", "-c", f"until grep -q up '{log}'; do sleep 0.05; done"], check=True, timeout=30)


def test_a_process_is_found_again_by_its_file_and_ends_when_asked(pid_file: Path, tmp_path: Path) -> None:
    processes.start(_SLEEPS, pid_file, tmp_path / "log")
    identity = processes.recorded(pid_file)
    assert identity
    assert os.getsid(identity.pid) == identity.pid
    assert processes.stop(identity, signal.SIGTERM, 30)
    assert processes.recorded(pid_file) is None


def test_a_process_that_does_not_end_is_killed(pid_file: Path, tmp_path: Path) -> None:
    processes.start(Launch([sys.executable, "-c", _STUBBORN], os.environ), pid_file, tmp_path / "log")
    _wait_until_up(tmp_path / "log")
    identity = processes.recorded(pid_file)
    assert identity
    assert not processes.stop(identity, signal.SIGTERM, 0.2)
    assert processes.recorded(pid_file) is None


def test_a_number_that_belongs_to_another_process_now_is_nobody(pid_file: Path, tmp_path: Path) -> None:
    processes.start(_SLEEPS, pid_file, tmp_path / "log")
    real = processes.recorded(pid_file)
    assert real
    former = processes.Identity(real.pid, real.started + "0")
    other = tmp_path / "other"
    other.write_text(json.dumps({"pid": former.pid, "started": former.started}))
    assert processes.recorded(other) is None
    assert processes.stop(former, signal.SIGKILL, 0)
    assert processes.recorded(pid_file) == real


@pytest.mark.parametrize("text", ["", "null", "{}", "not json", '{"pid": 1}'])
def test_a_damaged_pid_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert processes.recorded(tmp_path / "pid") is None


def test_the_former_log_is_kept(pid_file: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("what it said before")
    processes.start(_SLEEPS, pid_file, tmp_path / "log")
    assert (tmp_path / "log.previous").read_text() == "what it said before"


def test_ports_and_passwords_stay_the_same(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with state.locked():
        setup = state.load()
        ports = {name: setup.port(name) for name in ("kafka", "minio", "postgresql")}
        password = setup.password("minio")
        state.save(setup)
    again = state.load()
    assert {name: again.port(name) for name in ports} == ports
    assert len(set(ports.values())) == 3
    assert again.password("minio") == password != again.password("postgresql")


def test_only_the_user_reads_the_passwords(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with state.locked():
        state.save(state.load())
    assert (tmp_path / "state" / "setup.json").stat().st_mode & 0o777 == 0o600


def test_a_folder_with_other_things_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(WrongUse, match="other things"):
        State(tmp_path).make()
    assert main(["up", "--state", str(tmp_path)]) == 2
    assert main(["reset", "--state", str(tmp_path)]) == 0
    assert (tmp_path / "thesis.txt").exists()
    assert "there is nothing" in capsys.readouterr().err


def test_a_reset_leaves_what_is_not_ours(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    with state.locked():
        state.save(state.load())
    (tmp_path / "state" / "kafka").mkdir()
    (tmp_path / "state" / "notes.txt").write_text("mine")
    assert main(["reset", "--state", str(state.folder)]) == 0
    assert [path.name for path in state.folder.iterdir()] == ["notes.txt"]


def test_the_default_state_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_state() == tmp_path / "ringtrue" / "servers" / "default"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative, to be ignored")
    assert default_state() == Path.home() / ".cache" / "ringtrue" / "servers" / "default"


@pytest.mark.parametrize(
    "arguments",
    [
        ["up", "--only", "kafka,oracle"],
        ["up", "--kafka-port", "0"],
        ["up", "--minio-port", "many"],
        ["up", "--brokers", "2"],
        ["start"],
        [],
    ],
)
def test_a_wrong_call_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: servers" in capsys.readouterr().err


def test_a_machine_without_the_programs_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert main(["up", "--only", "kafka,minio"]) == 3
    assert "default-jre-headless maven golang-go" in capsys.readouterr().err


@contextmanager
def running(folder: Path, server: str, port: int, topic_prefix: str = "") -> Iterator[list[str]]:
    """Something that sleeps in the place of a server; the option that names its state."""
    state = State(folder)
    with state.locked():
        setup = state.load()
        setup.topic_prefix = topic_prefix
        setup.ports[server] = port
        state.save(setup)
    place = state.folder / server
    place.mkdir()
    processes.start(_SLEEPS, place / "pid", place / "log")
    try:
        yield ["--state", str(state.folder)]
    finally:
        assert main(["down", "--state", str(state.folder)]) == 0


def test_the_settings_of_what_runs_are_printed_for_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path / "a state", "kafka", 9092, topic_prefix="site-1.") as state:
        assert main(["env", *state]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "export RINGTRUE_KAFKA__BOOTSTRAP_SERVERS=127.0.0.1:9092",
            "export RINGTRUE_KAFKA__TOPIC_PREFIX=site-1.",
        ]
        assert main(["env", *state, "--test"]) == 0
        assert capsys.readouterr().out == "export RINGTRUE_TEST_KAFKA=127.0.0.1:9092\n"
    assert main(["env", *state]) == 1


def test_a_bucket_that_notifies_another_topic_is_not_given_to_the_tests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path / "state", "minio", 9000, topic_prefix="site-1.") as state:
        assert main(["env", *state, "--test"]) == 2
        assert "up --test --topic-prefix ''" in capsys.readouterr().err


def test_a_running_server_is_not_started_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path / "state", "kafka", 9092) as state:
        for options in (["--kafka-port", "9093"], ["--topic-prefix", "other."], ["--secure"], ["--brokers", "3"]):
            assert main(["up", *state, *options]) == 2
            assert "run `down` first" in capsys.readouterr().err


def test_requests_are_signed_as_s3_documents_it() -> None:
    # The example "GET Bucket Lifecycle" of the S3 documentation on Signature Version 4.
    bucket = Bucket(
        "examplebucket.s3.amazonaws.com", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "example"
    )
    headers = signed_headers(bucket, Request("GET", "/", "lifecycle="), datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["authorization"].endswith(
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )
