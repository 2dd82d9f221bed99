"""`ringtrue transcribe`: files to text, by the very stages that a deployment runs, in a folder of its own."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ringtrue.cli.run import follow, running, wait
from ringtrue.console import news
from ringtrue.database import open_database, reading
from ringtrue.errors import WrongUse
from ringtrue.messages import Word
from ringtrue.results.calls import Call, calls_by_id, words_of
from ringtrue.settings import AsrSettings, DatabaseSettings, Settings, load_settings
from ringtrue.telemetry import configure_logging

app = typer.Typer()

#: A subtitle ends after so many words, or at a pause of so many milliseconds.
_SUBTITLE_WORDS = 12
_PAUSE_MS = 700


@app.command("transcribe")
def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Recordings: WAV, FLAC, OGG, Opus or MP3.")],
    model: Annotated[str, typer.Option(help="A checkpoint's folder or hub name; default RINGTRUE_ASR__MODEL.")] = "",
    engine: Annotated[str, typer.Option(help="ctc or stub; default RINGTRUE_ASR__ENGINE.")] = "",
    form: Annotated[str, typer.Option("--format", help="text, srt, vtt or json.")] = "text",
    as_lines: Annotated[bool, typer.Option("--json", help="The same as --format json: one line per file.")] = False,
) -> None:
    """Prints what is said in recordings. Rings and tones are left out; the rest is transcribed.

    Exit code 1: a file could not be transcribed; the message says why.
    """
    if engine not in ("", "ctc", "stub"):
        raise WrongUse(f"--engine {engine!r} is not known; ctc or stub")
    if form not in ("text", "srt", "vtt", "json"):
        raise WrongUse(f"--format {form!r} is not known; text, srt, vtt or json")
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise WrongUse(f"there is no file {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="ringtrue-") as folder:
        settings = _settings(load_settings(), Path(folder), model, engine)
        configure_logging("warning")
        for number, path in enumerate(files):
            shutil.copyfile(path, Path(settings.source) / _name(number, path))
        with running(settings, once=True) as (pipeline, log), follow(log, pipeline) as show:
            wait(pipeline, log, show, until=pipeline.idle)
        database = open_database(settings.database_url)
        with reading(database) as connection:
            ids = [f"recordings/{Path(_name(number, path)).stem}" for number, path in enumerate(files)]
            calls = calls_by_id(connection, ids)
            results = [
                (path, calls.get(call_id), words_of(connection, call_id))
                for path, call_id in zip(files, ids, strict=True)
            ]
        database.dispose()
    failed = False
    for path, call, words in results:
        failed |= _print(path, call, words, "json" if as_lines else form)
    sys.exit(1 if failed else 0)


def _settings(settings: Settings, folder: Path, model: str, engine: str) -> Settings:
    source = folder / "recordings"
    source.mkdir()
    asr = settings.asr.model_copy(
        update={"model": model or settings.asr.model, "engine": engine or settings.asr.engine}
    )
    update = {"data_dir": folder / "data", "source": str(source), "database": DatabaseSettings(), "selection": "all"}
    return settings.model_copy(update=update | {"asr": AsrSettings.model_validate(asr.model_dump())})


def _name(number: int, path: Path) -> str:
    # Numbered, so that files of one name from several folders are several calls.
    return f"{number:06d}{path.suffix.lower()}"


def _print(path: Path, call: Call | None, words: Sequence[Word], form: str) -> bool:
    """Prints one file's result; whether it failed."""
    failure = None
    if call is None:
        failure = f"{path.name} is no recording that can be read: a name that ends in .wav, .flac, .ogg, .opus or .mp3"
    elif call.failure is not None:
        failure = call.failure.message.replace(call.key.rpartition("/")[2], path.name)
    if form == "json":
        duration_ms = call.heard.duration_ms if call and call.heard else None
        document = {
            "file": str(path),
            "text": call.text if call else "",
            "words": [asdict(word) for word in words],
            "language": None,
            "model": call.model_revision if call else "",
            "duration_ms": duration_ms,
            "error": failure,
        }
        typer.echo(json.dumps(document, ensure_ascii=False))
        return failure is not None
    if failure is not None:
        news().print(f"[red]{escape(str(path))}[/]: {escape(failure)}", highlight=False, soft_wrap=True)
        return True
    if form == "text":
        typer.echo(f"{path}:\n{call.text if call else ''}")
    else:
        typer.echo("\n".join(_subtitles(words, form)))
    return False


def _subtitles(words: Sequence[Word], form: str) -> Iterator[str]:
    if form == "vtt":
        yield "WEBVTT\n"
    mark = "," if form == "srt" else "."
    for number, line in enumerate(_lines(words), start=1):
        if form == "srt":
            yield str(number)
        yield f"{_clock(line[0].start_ms, mark)} --> {_clock(line[-1].end_ms, mark)}"
        yield " ".join(word.text for word in line) + "\n"


def _lines(words: Sequence[Word]) -> Iterator[list[Word]]:
    line = list[Word]()
    for word in words:
        ends = line and (
            len(line) >= _SUBTITLE_WORDS
            or word.start_ms - line[-1].end_ms > _PAUSE_MS
            or word.channel != line[-1].channel
        )
        if ends:
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _clock(ms: int, mark: str) -> str:
    seconds, rest = divmod(ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"
