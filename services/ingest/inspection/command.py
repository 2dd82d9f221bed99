"""What `ringtrue inspect` does: says early what cannot work, then prints file by file."""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.markup import escape

from ringtrue.console import news, output
from ringtrue.errors import WrongUse
from ringtrue.settings import Settings
from services.ingest.audio.decode import DecodeLimits
from services.ingest.audio.hearing import HearingSettings
from services.ingest.audio.tone_plans import plans_for
from services.ingest.inspection.finding import Unusable, document
from services.ingest.inspection.reading import Asked, read_files
from services.ingest.inspection.timeline import shown


def inspect_files(
    files: Sequence[Path], settings: Settings, *, as_lines: bool, plot: Path | None, listen_at_s: float | None
) -> bool:
    """Prints what is heard in each file; whether something could not be done.

    Raises:
        Misconfigured: There is no tone plan for the country, or no picture can be drawn.
    """
    plans_for(settings.country)
    if plot is not None:
        _check_plot(plot)
    hearing, limits = HearingSettings(settings.country), DecodeLimits.of(settings.ingest)
    failed = False
    for answer in read_files(list(_asked(files, plot, listen_at_s)), hearing, limits):
        result = answer.result
        if as_lines:
            typer.echo(json.dumps(document(result), ensure_ascii=False))
        elif not isinstance(result, Unusable):
            console = output()
            console.print(shown(result, console.width))
        complaint = result.message if isinstance(result, Unusable) else answer.complaint
        if complaint:
            failed = True
            if not as_lines or not isinstance(result, Unusable):
                news().print(f"[red]{escape(complaint)}[/]", highlight=False, soft_wrap=True)
        for path in answer.written:
            news().print(f"written: {escape(str(path))}", highlight=False, soft_wrap=True)
    return failed


def _check_plot(plot: Path) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise WrongUse("--plot needs matplotlib, which is not installed: pip install 'ringtrue[plot]'")
    if plot.suffix.lower() != ".png":
        raise WrongUse(f"--plot {plot}: the picture is a PNG, so its name must end in .png")
    if not plot.parent.is_dir():
        raise WrongUse(f"--plot {plot}: there is no folder {plot.parent}")


def _asked(files: Sequence[Path], plot: Path | None, listen_at_s: float | None) -> Iterator[Asked]:
    for number, path in enumerate(files, start=1):
        suffix = f"-{number}" if len(files) > 1 else ""
        picture = None if plot is None else plot.with_stem(f"{plot.stem}{suffix}")
        # Never beside the recording: that folder may be watched, and the excerpt would become a call.
        excerpt = None if listen_at_s is None else Path(f"{path.stem}-at-{listen_at_s:g}s{suffix}.wav")
        yield Asked(path, picture, listen_at_s, excerpt)
