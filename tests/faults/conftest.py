"""The quick selection is part of every run; `--faults all` takes the whole list. Either ends in a table."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.broker import Broker
from tests.faults.pipeline import Pipeline

_HERE = Path(__file__).parent
_WIDTHS = (24, 46, 60)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults", choices=("quick", "all"), default="quick", help="the whole fault list, or the quick part"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "whole: a fault that only the whole list (`--faults all`) injects")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--faults", default="quick") == "all":
        return
    whole = [item for item in items if _HERE in item.path.parents and item.get_closest_marker("whole")]
    items[:] = [item for item in items if item not in whole]
    config.hook.pytest_deselected(items=whole)


class Row:
    """A test's row of the table."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._properties = request.node.user_properties

    def __call__(self, fault: str, injected: str) -> None:
        """Says which fault it is and what is being injected."""
        self._properties += [("fault", fault), ("injected", injected)]

    def saw(self, seen: str) -> None:
        """Says what came of it."""
        self._properties.append(("seen", seen))


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """What the table at the end says of this test."""
    return Row(request)


@pytest.fixture
def pipeline(kafka_server: str, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline on the shared broker."""
    made = Pipeline(kafka_server, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def own_broker(kafka_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that may be hurt. It starts only where the shared one could."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    try:
        broker.up()
        yield broker
    finally:
        broker.reset()


@pytest.fixture(scope="module")
def own_cluster(kafka_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Three brokers, of which one may be hurt. They start only where the shared one could."""
    cluster = Broker(tmp_path_factory.mktemp("cluster"), nodes=3)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.reset()


@pytest.fixture
def cluster_pipeline(own_cluster: Broker, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline on the cluster of which one may be hurt."""
    yield from _pipeline_on(own_cluster, tmp_path)


@pytest.fixture
def hurt_pipeline(own_broker: Broker, tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline on a broker that may be hurt."""
    yield from _pipeline_on(own_broker, tmp_path)


def _pipeline_on(broker: Broker, folder: Path) -> Iterator[Pipeline]:
    broker.up()
    made = Pipeline(broker.bootstrap, folder)
    yield made
    broker.wake()
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if dict(getattr(report, "user_properties", ())).get("fault") and (report.when == "call" or report.failed)
    ]
    if not reports:
        return
    terminalreporter.section("faults")
    _print(terminalreporter, ("fault", "injected", "seen"), "ok")
    for report in reports:
        told = dict(report.user_properties)
        columns = (told["fault"], told["injected"], told.get("seen", ""))
        _print(terminalreporter, columns, "ok" if report.passed else "FAILED")


def _print(reporter: pytest.TerminalReporter, columns: tuple[str, str, str], ok: str) -> None:
    cells = [textwrap.wrap(text, width) or [""] for text, width in zip(columns, _WIDTHS, strict=True)]
    for number in range(max(map(len, cells))):
        parts = [
            (cell[number] if number < len(cell) else "").ljust(width)
            for cell, width in zip(cells, _WIDTHS, strict=True)
        ]
        reporter.write_line("  ".join([*parts, ok if number == 0 else ""]).rstrip())
