"""`ringtrue topics`: the topics of a deployment on a Kafka cluster."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ringtrue.console import news, output
from ringtrue.errors import WrongUse
from ringtrue.settings import load_settings
from ringtrue.streaming.kafka.acls import acls
from ringtrue.streaming.kafka.log import KafkaLog
from ringtrue.streaming.topics import SERVICES, TOPICS

app = typer.Typer()
topics = typer.Typer(help="The topics of this deployment on its Kafka cluster.", no_args_is_help=True)
app.add_typer(topics, name="topics")

_Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@topics.command("create")
def create(as_json: _Json = False) -> None:
    """Creates the topics that are missing, three replicas each or as many as there are brokers.

    Topics that are there stay as they are, whatever their settings; then they are checked, as by `topics check`.
    RINGTRUE_LOG__PARTITIONS says how many partitions each gets: it cannot be changed later. Where the cluster has ACLs,
    the user needs Create, Describe and DescribeConfigs on the topics that begin with the prefix, and nothing else.
    """
    log = _log()
    created = log.create_topics(TOPICS)
    if not as_json:
        news().print(f"{len(created)} topics created, {len(TOPICS) - len(created)} were there")
    _report(log, as_json=as_json, created=created)


@topics.command("check")
def check(as_json: _Json = False) -> None:
    """Compares the topics with what they should be, and says how to put each difference right; alters nothing.

    Exit code 1: something differs.
    """
    _report(_log(), as_json=as_json, created=[])


@topics.command("acls")
def show_acls(
    service: Annotated[str, typer.Argument(help="A service; all of them without.")] = "",
    as_json: _Json = False,
) -> None:
    """Lists the rights that the Kafka user of each service needs, and no more. Asks no server."""
    if service and service not in SERVICES:
        raise WrongUse(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    prefix = load_settings().kafka.topic_prefix
    needed = {name: acls(name, prefix) for name in ([service] if service else SERVICES)}
    if as_json:
        typer.echo(json.dumps({name: [asdict(one) for one in rights] for name, rights in needed.items()}))
        return
    table = Table(title="what each service must be allowed", title_justify="left")
    for heading in ("service", "resource", "name", "operation"):
        table.add_column(heading, overflow="fold")
    for name, rights in needed.items():
        for one in rights:
            table.add_row(name, one.resource, f"{one.name}{'*' if one.prefixed else ''}", one.operation)
    output().print(table)


def _log() -> KafkaLog:
    settings = load_settings()
    if not settings.kafka.bootstrap_servers:
        raise WrongUse("topics are of a Kafka cluster: set RINGTRUE_KAFKA__BOOTSTRAP_SERVERS=HOST:PORT")
    return KafkaLog(settings.kafka, settings.log, settings.data_dir / "state")


def _report(log: KafkaLog, *, as_json: bool, created: list[str]) -> None:
    differences = log.differences(TOPICS)
    if as_json:
        typer.echo(json.dumps({"created": created, "differences": [asdict(one) for one in differences]}))
    elif differences:
        table = Table(title="not as they should be", title_justify="left")
        for heading in ("topic", "setting", "found", "wanted", "what to do"):
            table.add_column(heading, overflow="fold")
        for one in differences:
            table.add_row(one.topic, one.setting, one.found, one.wanted, one.remedy)
        output().print(table)
    else:
        output().print(f"{len(TOPICS)} topics are as they should be")
    sys.exit(1 if differences else 0)
