"""`ringtrue demo`: the main job on the shipped sample calls, from a folder to verdicts with their evidence."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape

from ringtrue.cli.run import follow, running, wait
from ringtrue.cli.summary import results_of, show_failures, verdict_table
from ringtrue.console import news, output
from ringtrue.errors import WrongUse
from ringtrue.local import data_folder
from ringtrue.resources import resource
from ringtrue.settings import Settings, load_settings
from ringtrue.telemetry import configure_logging

app = typer.Typer()

_DEMO = "demo"


@app.command("demo")
def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")
    ] = False,
) -> None:
    """Runs all stages on the sample calls (synthetic) and prints the verdicts with their evidence.

    Works in RINGTRUE_DATA_DIR/demo, which each run makes anew, with the embedded log, SQLite and the demo model.
    Exit code 0: the verdicts are those that the samples were made for.
    """
    started = time.monotonic()
    settings = _settings(load_settings())
    configure_logging(settings.log_level)
    recordings = Path(settings.source)
    say = news()
    _must_be_ours(settings.data_dir)
    with data_folder(settings):
        for left in settings.data_dir.iterdir():
            if left.is_dir():
                shutil.rmtree(left)
            elif left.name != "run.lock":
                left.unlink()
    shutil.copytree(resource("examples/bucket"), recordings)
    with running(settings, once=True) as (pipeline, log), follow(log, pipeline) as show:
        wait(pipeline, log, show, until=pipeline.idle)
        late = resource("examples/late")
        for file in sorted(path.relative_to(late) for path in late.rglob("*") if path.is_file()):
            say.print(f"a sidecar arrives late: {file}", highlight=False)
            shutil.copy(late / file, recordings / file)
        pipeline.list_again()
        wait(pipeline, log, show, until=pipeline.idle)
    results = results_of(settings)
    reports, transcripts = settings.data_dir / "reports", settings.data_dir / "transcripts"
    write_transcripts(results["calls"], transcripts)
    write_reports(settings, reports)
    surprises = differences(results["orders"], resource("examples/expected.yaml"))
    if as_json:
        typer.echo(json.dumps(results, ensure_ascii=False, indent=1))
    else:
        _show(results, settings, reports, transcripts, time.monotonic() - started)
    for surprise in surprises:
        say.print(f"[red]not as intended:[/] {escape(surprise)}", highlight=False)
    sys.exit(1 if surprises else 0)


def differences(orders: list[dict[str, Any]], expected: Path) -> list[str]:
    """Where verdicts and findings are not the ones that the samples were made for."""
    found = {order["order"]: order for order in orders}
    surprises = []
    for number, intended in yaml.safe_load(expected.read_text(encoding="utf-8"))["orders"].items():
        order = found.pop(number, None)
        if order is None:
            surprises.append(f"{number} has no verdict")
            continue
        results = {finding["rule"]: finding["result"] for finding in order["findings"]}
        for what, want, got in (
            ("the verdict", intended["verdict"], order["verdict"]),
            *((rule, result, results.get(rule)) for rule, result in intended["findings"].items()),
        ):
            if want != got:
                surprises.append(f"{number}: {what} is {got}, intended {want} ({intended['story']})")
    return surprises + [f"{number} is no order of the samples" for number in found]


def write_transcripts(calls: list[dict[str, Any]], folder: Path) -> None:
    """A text file per call, named like its recording."""
    for call in calls:
        path = folder / f"{call['call_id']}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(call["text"] + "\n", encoding="utf-8")


def write_reports(settings: Settings, folder: Path) -> None:
    """The reports of every manifest, as `ringtrue report` writes them."""
    command = [sys.executable, "-m", "ringtrue", "report", "--out", str(folder), "--format", "csv,xlsx"]
    subprocess.run(command, env=settings.environment(), check=True, capture_output=True)  # noqa: S603 - our own


def _must_be_ours(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / "run.lock").exists():
        raise WrongUse(f"{folder} is no folder of a former demo: set RINGTRUE_DATA_DIR to another folder")


def _settings(settings: Settings) -> Settings:
    """The demo is the same everywhere: only where it may write is taken from the settings."""
    folder = settings.data_dir.resolve() / _DEMO
    defaults = Settings.model_construct()
    return defaults.model_copy(update={"data_dir": folder, "source": str(folder / "recordings")})


def _show(results: dict[str, Any], settings: Settings, reports: Path, transcripts: Path, seconds: float) -> None:
    console = output()
    console.print(verdict_table(results["orders"]))
    show_failures(console, results["failed"])
    console.print(f"{len(results['calls'])} calls and {len(results['orders'])} orders in {seconds:.0f} s")
    console.print(f"reports      {_near(reports)}", highlight=False)
    console.print(f"transcripts  {_near(transcripts)}", highlight=False)
    first = results["orders"][0]["order"] if results["orders"] else "ORDER"
    ringtrue = "ringtrue" if shutil.which("ringtrue") else _near(Path(sys.executable).with_name("ringtrue"))
    console.print(
        "\nnext:\n"
        f"  RINGTRUE_DATA_DIR={_near(settings.data_dir)} {ringtrue} explain {first}    the story of a verdict\n"
        f"  {ringtrue} inspect FILE          rings, tones and speech of a recording of yours\n"
        f"  {ringtrue} run FOLDER --once     your own recordings, sidecars and manifests\n",
        highlight=False,
    )


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
