"""The quick part is in every run, with tight limits; `--hostile all` takes the whole with the limits of production."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.audio.decode import DEFAULT_LIMITS, DecodeLimits
from tests.hostile.bench import Bench

_HERE = Path(__file__).parent
#: What the quick part allows a file: a minute of sound is long there.
TIGHT = DecodeLimits(max_seconds=60, cpu_seconds=10, wall_seconds=60)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hostile", choices=("quick", "all"), default="quick", help="all hostile files, or the quick part"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "hostile_whole: only in the whole corpus (`--hostile all`)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--hostile", default="quick") == "all":
        return
    whole = [item for item in items if _HERE in item.path.parents and item.get_closest_marker("hostile_whole")]
    items[:] = [item for item in items if item not in whole]
    config.hook.pytest_deselected(items=whole)


@pytest.fixture(scope="session")
def everything(request: pytest.FixtureRequest) -> bool:
    """Whether this is the whole run."""
    return bool(request.config.getoption("--hostile", default="quick") == "all")


@pytest.fixture(scope="session")
def bench(everything: bool) -> Iterator[Bench]:
    """A child that decodes, under the limits of production in the whole run."""
    made = Bench(DEFAULT_LIMITS if everything else TIGHT)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        if "hostile" in dict(getattr(report, "user_properties", ())) and report.when == "call"
    ]
    if not reports or terminalreporter.config.getoption("--hostile") != "all":
        return
    terminalreporter.section("hostile files")
    _print(terminalreporter, "file", "what it is", "how it ended", "s", "CPU s", "MB")
    for report in reports:
        told = dict(report.user_properties)
        _print(
            terminalreporter,
            told["hostile"],
            told["what"],
            told.get("ended", "") + ("" if report.passed else " FAILED"),
            told.get("seconds", ""),
            told.get("cpu", ""),
            told.get("megabytes", ""),
        )


def _print(reporter: pytest.TerminalReporter, file: str, what: str, ended: str, *numbers: str) -> None:
    seconds, cpu_seconds, megabytes = numbers
    reporter.write_line(f"{file:22} {what:48} {ended:24} {seconds:>6} {cpu_seconds:>6} {megabytes:>5}")
