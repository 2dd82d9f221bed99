"""Ingest's part of the command line: `inspect`, `orders check`, `reconcile` and `upload`."""

import json
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from ringtrue import times
from ringtrue.console import news, output
from ringtrue.errors import WrongUse
from ringtrue.files import read_file
from ringtrue.service import open_log, stop_event
from ringtrue.settings import Settings, load_settings
from ringtrue.storage import open_store
from ringtrue.streaming.registry import make_codec
from ringtrue.telemetry import configure_logging
from services.ingest.listing import Listed, Lister

if TYPE_CHECKING:
    from ringtrue.manifests.manifest import Manifest

# What needs the ingest extra is imported where it is used: the command line must load without it.

app = typer.Typer()
orders = typer.Typer()
app.add_typer(orders, name="orders")


@app.command("inspect")
def inspect(
    files: Annotated[list[Path], typer.Argument(help="Recordings, in any format that ingest reads.")],
    country: Annotated[
        str, typer.Option(help="Code of the tone plan, or auto to recognise it; default RINGTRUE_COUNTRY.")
    ] = "",
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON line per file on standard output.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.png",
            help="Draw a picture: waveform, spectrogram, and what was found. Of several files: OUT-1.png, OUT-2.png "
            "and so on, in their order. Needs the extra `plot`.",
        ),
    ] = None,
    listen_at: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Write the ten seconds around second N, with all channels, as NAME-at-Ns.wav into the current folder, "
            "and say so; of several files with a number more. Nothing is played.",
        ),
    ] = None,
) -> None:
    """Shows the rings, tones, speech, channels and segments of recordings.

    Files are read side by side over the cores and shown in the order in which they are named.

    Exit code 1: a file could not be used; the message (or the line's `error`) says why, and the others are shown.
    """
    from services.ingest.inspection.command import inspect_files  # the models behind it take a second to import

    settings = load_settings()
    if country:
        settings = settings.model_copy(update={"country": country})
    sys.exit(1 if inspect_files(files, settings, as_lines=as_lines, plot=plot, listen_at_s=listen_at) else 0)


@app.command("reconcile")
def reconcile(
    source: Annotated[str, typer.Argument(help="A folder or s3://bucket/prefix; default RINGTRUE_SOURCE.")] = "",
    watch: Annotated[bool, typer.Option("--watch/--once", help="List again and again until stopped.")] = False,
    with_parent: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Lists the source and registers what no notification announced; what is known already is dropped.

    Ends in a coverage mark: everything written before it is registered, so that orders may be judged on it. With
    --watch, files that are younger than RINGTRUE_INGEST__SETTLE_AGE_S may still be being written, and wait.
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    url = source or settings.source
    if not url:
        raise WrongUse("which recordings? Name a folder or s3://bucket/prefix, or set RINGTRUE_SOURCE")
    log = open_log(settings)
    lister = Lister(
        open_store(url, settings.s3),
        log,
        "reconcile" if "://" in url else "scan",
        times.now_ms,
        # A part of the deployment's source cannot vouch for the whole of it.
        vouches=settings.source in ("", url),
        codec=make_codec(settings),
    )
    if watch:
        _watch(lister, settings, stop_event(with_parent=with_parent))
    else:
        listed = lister.list_once()
        news().print(f"{url}: {listed.objects} objects listed")
    log.close()


def _watch(lister: Lister, settings: Settings, stop: threading.Event) -> None:
    ingest = settings.ingest
    first: Listed = lister.list_once(skip_age_ms=int(ingest.settle_age_s * 1000))
    news().print(f"{settings.source}: {first.objects} objects listed; watching for more")
    lister.watch(stop, ingest.scan_every_s, int(ingest.settle_age_s * 1000))


@app.command("upload")
def upload(
    folder: Annotated[Path, typer.Argument(help="The folder; the keys are the paths below it.")],
    to: Annotated[str, typer.Option(help="s3://bucket or s3://bucket/prefix; default RINGTRUE_SOURCE.")] = "",
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Calls that go up side by side.")] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be uploaded, and do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Puts the recordings, sidecars and manifests of a folder into a bucket.

    Run again after an interruption: what is there with the same content is left alone. Hidden files are passed over,
    files of other kinds are skipped. The access keys must be allowed to put and get objects and to list the bucket.

    Exit code 1: a file could not be uploaded; the others were. 3: the store is away.
    """
    from ringtrue.storage.s3 import S3Store
    from services.ingest.upload import Result, Upload, look_through

    settings = load_settings()
    url = to or settings.source
    if not url.startswith("s3://"):
        raise WrongUse("to which bucket? Give --to s3://bucket/prefix, or set RINGTRUE_SOURCE to one")
    target = open_store(url, settings.s3)
    if not isinstance(target.store, S3Store):
        raise TypeError(f"an S3 store is expected for {url}")
    prefix = target.prefix if not target.prefix or target.prefix.endswith("/") else f"{target.prefix}/"
    contents = look_through(folder, prefix)
    results = list[Result]()
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=news()) as progress:
        bar = progress.add_task("looking" if dry_run else "uploading", total=contents.count)

        def tell(result: Result) -> None:
            results.append(result)
            progress.advance(bar)
            if result.outcome == "failed":
                progress.console.print(f"[red]{escape(str(result.found.path))}[/]: {escape(result.error)}")

        Upload(target.store, target.bucket, jobs=jobs, dry_run=dry_run).run(contents, tell)
    counts = Counter(result.outcome for result in results)
    size = sum(result.size for result in results if result.outcome == "uploaded")
    if as_json:
        failed = [{"file": str(one.found.path), "error": one.error} for one in results if one.outcome == "failed"]
        document = {
            "to": f"s3://{target.bucket}/{prefix}",
            "dry_run": dry_run,
            "uploaded": counts["uploaded"],
            "bytes": size,
            "unchanged": counts["unchanged"],
            "skipped": contents.others,
            "failed": failed,
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        output().print(
            f"s3://{target.bucket}/{prefix}: {counts['uploaded']} files ({size / 1e6:.1f} MB) "
            f"{'to upload' if dry_run else 'uploaded'}, {counts['unchanged']} there already, "
            f"{contents.others} of other kinds skipped, {counts['failed']} failed"
        )
    sys.exit(1 if counts["failed"] else 0)


@orders.command("check")
def check(
    manifests: Annotated[list[Path], typer.Argument(help="Manifest files, CSV or Excel.")],
    day: Annotated[str, typer.Option(help="The processed day, YYYY-MM-DD; default: from the name or the rows.")] = "",
    as_lines: Annotated[bool, typer.Option("--json", help="One JSON line per manifest on standard output.")] = False,
) -> None:
    """Shows what each row of a manifest is read as: orders, rows that do not count, rows that are refused, and why.

    Exit code 1: a manifest cannot be read, or a row of one is refused.
    """
    from ringtrue.manifests.layouts import load_layouts
    from ringtrue.manifests.manifest import UnreadableManifest, as_json, read_manifest

    settings = load_settings()
    processed = times.processed_day(day or settings.ingest.manifest_day)
    layouts = load_layouts(settings.ingest.layouts)
    needs_a_look = False
    for path in manifests:
        try:
            manifest = read_manifest(read_file(path), str(path), layouts, settings.zone, processed)
        except (UnreadableManifest, OSError) as error:
            needs_a_look = True
            if as_lines:
                typer.echo(json.dumps({"file": str(path), "error": str(error)}, ensure_ascii=False))
            else:
                news().print(f"[red]not read[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
            continue
        needs_a_look |= bool(manifest.rejected)
        if as_lines:
            typer.echo(json.dumps(as_json(manifest, str(path), settings.zone), ensure_ascii=False))
        else:
            _show(manifest, path, settings)
    sys.exit(1 if needs_a_look else 0)


#: Columns of `orders check` whose cells are of one short form.
_WHOLE = ("row", "client", "ordered", "suspended", "calls count from")


def _show(manifest: "Manifest", path: Path, settings: Settings) -> None:
    console = output()
    kind = f"{manifest.kind} {manifest.category}".strip()
    sheet = f", sheet {manifest.sheet!r}" if manifest.sheet else ""
    title = _plain(f"{path.name}{sheet}: {kind}, day {manifest.day}")
    table = Table(title=title, title_justify="left")
    for heading in ("row", "order", "client", "ordered", "suspended", "calls count from", "motif", "category", "name"):
        table.add_column(heading, no_wrap=heading in _WHOLE)
    for one in manifest.orders:
        order = one.order
        moments = (order.ordered_at_ms, order.suspended_at_ms, order.window_start_ms)
        local = [times.local(moment, settings.zone).strftime("%Y-%m-%d %H:%M") for moment in moments]
        cells = (order.number, order.client_number, *local, order.motif, order.category, order.name or "")
        table.add_row(str(one.row), *map(_plain, cells))
    console.print(table)
    for skipped in manifest.skipped:
        console.print(f"  row {skipped.row} does not count: {_plain(skipped.reason)}", highlight=False, soft_wrap=True)
    for bad in manifest.rejected:
        why = _plain(f"{bad.column} {bad.value!r}: {bad.reason}")
        console.print(f"  [red]row {bad.row} is refused[/]: {why}", highlight=False, soft_wrap=True)


def _plain(text: str) -> str:
    """A manifest's text for the terminal: no markup of ours, and nothing that steers it."""
    return escape("".join(c if c.isprintable() else " " for c in text))
