"""The commands of `deploy/local/servers`."""

import argparse
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from local_servers.console import Stopwatch, last_lines, say
from local_servers.errors import NotUp, ServersError, WrongUse
from local_servers.kafka import Kafka, new_cluster
from local_servers.minio import Minio
from local_servers.places import Setup, State, default_state, port_is_free, software_folder
from local_servers.postgresql import Postgresql
from local_servers.server import Server
from local_servers.tools import require

KINDS = ("kafka", "minio", "postgresql")

_DESCRIPTION = """\
Kafka, MinIO and PostgreSQL on loopback ports of this machine, without Docker.

  eval "$(deploy/local/servers up)"     start them, and point Ringtrue to them in this shell
  ringtrue doctor                       what Ringtrue thinks of them
  deploy/local/servers status           what runs, where
  deploy/local/servers logs kafka       the end of a log
  deploy/local/servers down             stop them; the data stays
  deploy/local/servers reset            stop them and delete their data
"""
_EPILOG = """\
The first `up` gets what is missing: Kafka with Maven, MinIO with Go (minutes), packages with apt-get when run as root
on Debian. Versions are pinned; everything lies in one cache folder. Progress goes to standard error, settings to
standard output. Exit codes: 0 done, 1 a server does not run, 2 wrong use, 3 something needed is missing.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except ServersError as error:
        say(f"servers: {error}")
        return error.code
    except KeyboardInterrupt:
        say("interrupted; what was started goes on: `up` again finishes, `down` stops it")
        return 130


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("servers", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(command.__name__, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(command=command)
        added.add_argument(
            "--state", type=Path, default=default_state(), help="folder of data, logs and ports (default: %(default)s)"
        )
        return added

    def add_only(added: argparse.ArgumentParser) -> None:
        added.add_argument("--only", type=_kinds, default=KINDS, help="some of kafka,minio,postgresql (default: all)")

    starts = add(up, "start what does not run yet, wait until each answers, print the settings")
    add_only(starts)
    for kind in KINDS:
        text = f"port of {kind} (default: a free one, the same at the next start)"
        starts.add_argument(f"--{kind}-port", type=_port, metavar="PORT", help=text)
    starts.add_argument("--topic-prefix", metavar="PREFIX", help="stands before the name of the notifications' topic")
    starts.add_argument("--brokers", type=int, choices=(1, 3), help="nodes of the Kafka cluster (default: 1)")
    text = "a Kafka with TLS, passwords (SCRAM-SHA-512) and access lists"
    starts.add_argument("--secure", action="store_true", default=None, help=text)
    starts.add_argument("--test", action="store_true", help="print the variables for the tests instead")
    add_only(add(down, "stop them; the data stays"))
    add(status, "what runs, where, since when; exit code 1 when something does not answer")
    shows = add(logs, "the end of the logs")
    shows.add_argument("server", nargs="?", help="kafka (or kafka-2, kafka-3), minio or postgresql (default: all)")
    shows.add_argument("-n", type=int, default=20, metavar="LINES", help="how many lines (default: %(default)s)")
    add(reset, "stop them and delete their data, logs and passwords; what was built stays")
    prints = add(env, "print the settings of what runs, as `up` does")
    prints.add_argument("--test", action="store_true", help="the variables for the tests instead")
    return parser


def up(options: argparse.Namespace) -> int:
    """Starts what does not run yet."""
    state = _state(options)
    with state.locked():
        setup = state.load()
        everything = _servers(state, setup)
        formatted = any(isinstance(server, Kafka) and server.has_data for server in everything)
        _adopt(options, setup, [server for server in everything if server.process], formatted=formatted)
        wanted = _chosen(_servers(state, setup), options.only)
        state.save(setup)
        idle = [server for server in wanted if not server.process]
        software = software_folder()
        software.mkdir(parents=True, exist_ok=True)
        require([tool for server in idle for tool in server.tools()], software)
        for server in idle:
            server.build()
        for server in _servers(state, setup):
            if not server.process:
                _settle_ports(server, options)
        # Before anything starts with them: another `up` must find the same ports and passwords.
        state.save(setup)
        _start(wanted, idle)
        print(_exports(_servers(state, setup), test=options.test))
    return 0


def down(options: argparse.Namespace) -> int:
    """Stops what runs."""
    state = _existing(options)
    if state is None:
        return 0
    with state.locked():
        # MinIO first, and Kafka last: whoever depends on another goes before it.
        for server in reversed(_chosen(_servers(state, state.load()), options.only)):
            if server.process:
                say(f"stopping {server.name}")
            server.stop()
    return 0


def reset(options: argparse.Namespace) -> int:
    """Stops everything and deletes the data."""
    state = _existing(options)
    if state is None:
        return 0
    options.only = KINDS
    down(options)
    with state.locked():
        for server in _servers(state, state.load()):
            server.forget()
        state.forget()
    say(f"deleted {state.folder}")
    return 0


def status(options: argparse.Namespace) -> int:
    """Shows what runs."""
    state = _existing(options)
    if state is None:
        return 1
    fine = True
    for server in _servers(state, state.load()):
        identity = server.process
        answers = identity is not None and server.answers()
        fine = fine and answers
        if identity is None:
            print(f"{server.name:<11} does not run")
            continue
        hours = (time.time() - server.pid_file.stat().st_mtime) / 3600
        says = "answers" if answers else "does not answer"
        print(f"{server.name:<11} {says:<16} port {server.port:<6} process {identity.pid:<8} up {hours:.1f} h")
    return 0 if fine else 1


def logs(options: argparse.Namespace) -> int:
    """Shows the end of the logs."""
    state = _existing(options)
    servers = _servers(state, state.load()) if state else []
    if options.server:
        servers = [server for server in servers if server.name == options.server]
        if not servers:
            raise WrongUse(f"there is no server {options.server} in {options.state}")
    for server in servers:
        print(f"==> {server.log}")
        print("\n".join(last_lines(server.log, options.n)))
    return 0


def env(options: argparse.Namespace) -> int:
    """Prints the settings of what runs."""
    state = _existing(options)
    exports = _exports(_servers(state, state.load()), test=options.test) if state else ""
    if not exports:
        raise NotUp("nothing runs there; start it with `up`")
    print(exports)
    return 0


def _state(options: argparse.Namespace) -> State:
    return State(options.state.expanduser().resolve())


def _existing(options: argparse.Namespace) -> State | None:
    state = _state(options)
    if state.exists:
        return state
    say(f"there is nothing in {state.folder}")
    return None


def _servers(state: State, setup: Setup) -> list[Server]:
    software = software_folder()
    kafka = [Kafka(number, state, setup, software) for number in range(1, setup.brokers + 1)]
    return [*kafka, Minio(state, setup, software, kafka[0]), Postgresql(state, setup)]


def _chosen(servers: Sequence[Server], kinds: Sequence[str]) -> list[Server]:
    return [server for server in servers if server.name.partition("-")[0] in kinds]


def _adopt(options: argparse.Namespace, setup: Setup, running: Sequence[Server], *, formatted: bool) -> None:
    """Takes over what this `up` asks for.

    Raises:
        WrongUse: Something runs already that was started otherwise.
    """
    asked = {"topic_prefix": options.topic_prefix, "brokers": options.brokers, "secure": options.secure}
    changed = {name: value for name, value in asked.items() if value is not None and value != getattr(setup, name)}
    if changed and running:
        name, value = next(iter(changed.items()))
        option = "--" + name.replace("_", "-")
        raise WrongUse(f"it was started with {option} {getattr(setup, name)!r}, not {value!r}: run `down` first")
    if formatted and (fixed := changed.keys() & {"brokers", "secure"}):
        raise WrongUse(f"--{fixed.pop()} cannot change while there is data: run `reset` first")
    for name, value in changed.items():
        setattr(setup, name, value)
    setup.kafka_cluster = setup.kafka_cluster or new_cluster()
    for kind in KINDS:
        setup.password(kind)
    for server in running:
        port = _asked_port(options, server.name)
        if port not in (None, server.port):
            raise WrongUse(f"{server.name} runs already, on port {server.port}: run `down` first")


def _settle_ports(server: Server, options: argparse.Namespace) -> None:
    """Gives a server that is about to start ports that are free."""
    ports = server.setup.ports
    asked = _asked_port(options, server.name)
    if asked:
        if not port_is_free(asked):
            raise NotUp(f"port {asked} is taken by another program: leave out --{server.name}-port, or name another")
        ports[server.name] = asked
    for name in server.port_names:
        if not port_is_free(server.setup.port(name)):
            say(f"port {ports.pop(name)} of {name} is taken by another program now; {server.setup.port(name)} instead")


def _asked_port(options: argparse.Namespace, name: str) -> int | None:
    port: int | None = getattr(options, f"{name}_port", None)
    return port


def _start(wanted: Sequence[Server], idle: Sequence[Server]) -> None:
    """Starts them side by side, then waits for one after the other."""
    watch = Stopwatch()
    for server in idle:
        say(f"starting {server.name}")
        server.start()
    for server in wanted:
        server.await_answer(watch)
        say(f"{server.name} answers on port {server.port} ({watch.seconds:.1f} s)")
    for server in wanted:
        server.prepare()


def _exports(servers: Sequence[Server], *, test: bool) -> str:
    exports: dict[str, str] = {}
    for server in servers:
        if server.process:
            exports |= server.test_exports() if test else server.exports()
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in exports.items())


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: expected some of {','.join(KINDS)}")
    return kinds


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else 0
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: expected 1 to 65535")
    return port
