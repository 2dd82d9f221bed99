"""What `ringtrue classify` is given: a text, the lines of standard input, and files of texts and transcripts."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from ringtrue.files import shown
from ringtrue.messages import Word
from services.classifier.engine import Transcript

STDIN = "-"
#: What holds a JSON object a line; one object over several lines may be in `.json` alone.
_JSON, _JSON_LINES = ".json", ".jsonl"
#: A word that ends so is a file's name, and no text.
_FILES = (".txt", _JSON, _JSON_LINES, ".wav", ".flac", ".ogg", ".opus", ".mp3")
_NO_UTF_8 = "it is no text in UTF-8; of a recording, `ringtrue transcribe --json` makes one"


@dataclass(frozen=True, slots=True)
class Input:
    """One text to classify.

    Attributes:
        name: Where it stands; empty for a text of the command line.
        transcript: None where there is none to classify.
        problem: Why there is none, or what is missing of it; empty when all is well.
    """

    name: str
    transcript: Transcript | None
    problem: str = ""


class _Said(BaseModel):
    """A line of `ringtrue transcribe --json`, or any object with a `text`."""

    text: str | None = None
    words: tuple[Word, ...] | None = None
    error: str | None = None


def read_inputs(arguments: Sequence[str], stdin: BinaryIO) -> Iterator[Input]:
    """What the arguments stand for, in their order; what cannot be used is told in its place.

    `-` is each line of standard input, an empty one too. What names a file is read: of `.jsonl` each line, of `.json`
    the same or the whole, of any other the text. A text is several words in one argument, or one word alone.
    """
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN:
            for number, line in enumerate(stdin, 1):
                yield Input(f"line {number}", Transcript.of_text(line.decode("utf-8", "replace")))
        elif _is_there(path):
            yield from _read(path)
        elif _is_text(argument, alone=len(arguments) == 1):
            yield Input("", Transcript.of_text(_encodable(argument)))
        else:
            problem = "there is no such file; a text of one word must be the only one"
            yield Input(shown(path), None, "there is no such file" if len(arguments) == 1 else problem)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a text that is too long for a name
        return False


def _is_text(argument: str, *, alone: bool) -> bool:
    if argument.lower().endswith(_FILES):
        return False
    return alone or len(argument.split()) != 1


def _encodable(text: str) -> str:
    """The text without the bytes of the command line that are no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _read(path: Path) -> Iterator[Input]:
    name = shown(path)
    try:
        if path.suffix.lower() == _JSON_LINES:
            with path.open("rb") as file:
                yield from _of_lines(name, file)
            return
        data = path.read_bytes()
    except IsADirectoryError:
        yield Input(name, None, f"it is a folder; name the files in it, such as {name}/*.txt")
        return
    except OSError as error:
        yield Input(name, None, f"it cannot be read: {error.strerror}")
        return
    if path.suffix.lower() == _JSON:
        lines = data.splitlines(keepends=True)
        one = len(lines) < 2 or not _is_whole(lines[0])
        yield from [_of_json(name, data)] if one else _of_lines(name, lines)
        return
    try:
        yield Input(name, Transcript.of_text(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        yield Input(name, None, _NO_UTF_8)


def _is_whole(line: bytes) -> bool:
    """Whether a line is JSON by itself, and not the beginning of an object over several lines."""
    try:
        from_json(line.removeprefix(BOM_UTF8))
    except ValueError:
        return False
    return True


def _of_lines(name: str, lines: Iterable[bytes]) -> Iterator[Input]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _of_json(f"{name}:{number}", line)


def _of_json(name: str, data: bytes) -> Input:
    """A transcript from an object with `words` or `text`. A failed one is no silence."""
    try:
        said = _Said.model_validate_json(data.removeprefix(BOM_UTF8))
    except ValidationError as error:
        found = error.errors()[0]
        field = ".".join(map(str, found["loc"]))
        return Input(name, None, f"{field}: {found['msg']}" if field else found["msg"])
    if said.words is None and said.text is None:
        return Input(name, None, "an object with `text` is expected, or what `ringtrue transcribe --json` prints")
    transcript = Transcript(said.words) if said.words else Transcript.of_text(said.text or "")
    if said.error is not None and not transcript.words:
        return Input(name, None, said.error)
    return Input(name, transcript, said.error or "")
