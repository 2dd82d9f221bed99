"""`ringtrue transcribe`: files to text, by the very stages that a deployment runs, in a folder of its own."""

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.markup import escape

from ringtrue.cli.audio_progress import follow_audio
from ringtrue.cli.run import running, wait
from ringtrue.cli.transcripts import FORMS, Transcript, file_names, transcript_of
from ringtrue.console import news
from ringtrue.database import open_database, reading
from ringtrue.errors import WrongUse
from ringtrue.files import shown
from ringtrue.results.printing import harmless
from ringtrue.settings import (
    AsrSettings,
    DatabaseSettings,
    KafkaSettings,
    SchemaRegistrySettings,
    Settings,
    load_settings,
)

app = typer.Typer()

#: Nothing of them is imported here.
ENGINES = tuple(sorted(point.name for point in entry_points(group="ringtrue.engines")))
_SUBTITLES = ("srt", "vtt")
_BUCKET = "recordings"
_ALLOWED = {"language": "a code of ISO 639, such as fr or ary", "device": "auto, cpu or cuda:N"}


@app.command("transcribe")
def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Recordings, in any format that ingest reads.")],
    engine: Annotated[
        str, typer.Option(help=f"One of {', '.join(ENGINES)}; default RINGTRUE_ASR__ENGINE, else ctc.")
    ] = "",
    model: Annotated[str, typer.Option(help="A checkpoint's folder or hub name; default RINGTRUE_ASR__MODEL.")] = "",
    language: Annotated[
        str,
        typer.Option(
            help="What is spoken, such as fr, for an engine that can be told; default RINGTRUE_ASR__LANGUAGE."
        ),
    ] = "",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N; default RINGTRUE_ASR__DEVICE.")] = "",
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMS[:-1])} or {FORMS[-1]}.")] = "",
    as_lines: Annotated[bool, typer.Option("--json", help="The same as --format json: one line per file.")] = False,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write a file for each recording into this folder, named like it; what is there is replaced. "
            "Needed for subtitles of several recordings.",
        ),
    ] = None,
) -> None:
    """Prints what is said in recordings, or writes subtitles. Rings and tones are left out; the rest is transcribed.

    Files are worked on side by side and given in their order. Progress and complaints go to standard error.

    Exit code 1: of a file not all could be transcribed; the message (or the line's `error`) says why.

    \b
    Examples:
      ringtrue transcribe call.wav
      ringtrue transcribe call.wav --format srt > call.srt
      ringtrue transcribe calls/*.ogg --format vtt --output-dir subtitles
      ringtrue transcribe calls/*.mp3 --json | jq -r '[.file, .language, .text] | @tsv'
      ringtrue transcribe call.flac --engine whisper --model openai/whisper-large-v3 --language fr
    """
    form = _form(form, files, as_lines=as_lines, output_dir=output_dir)
    asked = load_settings()
    asr = _asr(asked.asr, {"engine": engine, "model": model, "language": language, "device": device})
    if output_dir is not None:
        _make(output_dir)
    failed = False
    with tempfile.TemporaryDirectory(prefix="ringtrue-") as folder:
        settings = _settings(asked, Path(folder), asr)
        problems = _gather(files, Path(settings.source))
        names = file_names(files, form) if output_dir is not None else []
        for number, transcript in enumerate(_transcripts(files, problems, settings)):
            file = output_dir / names[number] if output_dir is not None else None
            failed |= not _give(transcript, form, file, named=len(files) > 1)
    sys.exit(1 if failed else 0)


def _form(form: str, files: Sequence[Path], *, as_lines: bool, output_dir: Path | None) -> str:
    """The form that is wanted, where it can be had."""
    if form not in ("", *FORMS):
        raise WrongUse(f"--format {form!r} is not known; {', '.join(FORMS)} are")
    if as_lines and form not in ("", "json"):
        raise WrongUse(f"--json and --format {form}: only one of them can be had")
    form = "json" if as_lines else form or "text"
    if form == "json" and output_dir is not None:
        # A recording's own name with .json is that of its sidecar.
        raise WrongUse("--output-dir is for text and subtitles; --json writes one line per file: redirect it to a file")
    if form in _SUBTITLES and len(files) > 1 and output_dir is None:
        raise WrongUse(
            f"subtitles of {len(files)} recordings are {len(files)} files: give --output-dir DIR, or one recording"
        )
    return form


def _asr(settings: AsrSettings, given: Mapping[str, str]) -> AsrSettings:
    engine = given["engine"] or settings.engine
    if engine not in ENGINES:
        where = "--engine" if given["engine"] else "RINGTRUE_ASR__ENGINE"
        raise WrongUse(f"{where} {engine!r} is not known; there are {', '.join(ENGINES)}")
    # A model of the environment is for the environment's engine.
    known = settings.model_dump() | ({"model": ""} if engine != settings.engine else {})
    try:
        return AsrSettings.model_validate(known | {name: value for name, value in given.items() if value})
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise WrongUse(f"--{name} {given.get(name)!r}: {_ALLOWED.get(name, 'this')} is expected") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"--output-dir {shown(folder)}: {error.strerror}") from error


def _settings(settings: Settings, folder: Path, asr: AsrSettings) -> Settings:
    """The settings of a deployment on this machine alone: what is transcribed here is nobody else's business."""
    source = folder / _BUCKET
    source.mkdir()
    update = {
        "data_dir": folder / "data",
        "source": str(source),
        "selection": "all",
        "metrics_port": 0,
        "database": DatabaseSettings(),
        "kafka": KafkaSettings(),
        "schema_registry": SchemaRegistrySettings(),
        "asr": asr,
    }
    return settings.model_copy(update=update)


def _gather(files: Sequence[Path], folder: Path) -> dict[int, str]:
    """Copies the files into the folder; by number, why one could not be."""
    problems = dict[int, str]()
    for number, path in enumerate(files):
        try:
            if path.is_dir():
                problems[number] = "it is a folder; name the recordings in it, such as FOLDER/*.wav"
            elif not path.exists():
                problems[number] = "there is no such file"
            elif not path.is_file():
                problems[number] = "it is no regular file"
            else:
                shutil.copyfile(path, folder / _name(number, path))
        except OSError as error:
            problems[number] = f"it cannot be read: {error.strerror}"
            (folder / _name(number, path)).unlink(missing_ok=True)
    return problems


def _name(number: int, path: Path) -> str:
    # Numbered, so that files of one name from several folders are several calls.
    return f"{number:06d}{path.suffix.lower()}"


def _transcripts(files: Sequence[Path], problems: Mapping[int, str], settings: Settings) -> Iterator[Transcript]:
    """Transcribes the files and gives what came of them, in their order."""
    there = len(files) - len(problems)
    if not there:
        yield from (Transcript(path, error=problems[number]) for number, path in enumerate(files))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C: what it has made for itself goes
    with running(settings, once=True) as (pipeline, log), follow_audio(log, there) as show:
        wait(pipeline, log, show, until=pipeline.idle)
    database = open_database(settings.database_url)
    try:
        with reading(database) as connection:
            for number, path in enumerate(files):
                if number in problems:
                    yield Transcript(path, error=problems[number])
                else:
                    yield transcript_of(connection, path, f"{_BUCKET}/{_name(number, path)}")
    finally:
        database.dispose()


def _give(transcript: Transcript, form: str, file: Path | None, *, named: bool) -> bool:
    """Prints a transcript, or writes it to a file; whether all is well with it."""
    well = transcript.error is None
    if form == "json":
        typer.echo(transcript.line(), nl=False)
        return well
    if transcript.error is not None:
        _say(f"[red]{escape(harmless(transcript.name))}[/]: {escape(harmless(transcript.error))}")
        if not transcript.words:
            return False
    text = transcript.written(form, named=named and file is None)
    if file is None:
        typer.echo(text, nl=False)
        return well
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        _say(f"[red]{escape(harmless(shown(file)))}[/] cannot be written: {error.strerror}")
        return False
    _say(escape(harmless(f"{transcript.name}: {shown(file)}")))
    return well


def _say(text: str) -> None:
    news().print(text, highlight=False, soft_wrap=True)
