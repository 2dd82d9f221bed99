"""What `ringtrue transcribe` gives for a recording, in each form, and the files that it is written to."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from unicodedata import category

import sqlalchemy as sa

from ringtrue.cli.subtitles import subtitles
from ringtrue.files import shown
from ringtrue.messages import Word
from ringtrue.results.calls import calls_by_id, words_of
from ringtrue.results.queries import find_letters

FORMS = ("text", "srt", "vtt", "json")
_SUFFIXES = {"text": ".txt", "srt": ".srt", "vtt": ".vtt"}
_NO_RECORDING = "its name is no recording's: it must end in .wav, .flac, .ogg, .opus, .mp3 or another suffix of audio"
#: Characters that a terminal obeys, and what no file can hold.
_CONTROLS, _REPLACEMENT = ("Cc", "Cs"), "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a file.

    Attributes:
        file: The file as it was named.
        model: Name and revision, as NAME@REVISION; None where no model was needed, such as for a call that only rings.
        error: Why there is nothing, or what is missing; None when all is well.
    """

    file: Path
    text: str = ""
    words: tuple[Word, ...] = ()
    language: str | None = None
    model: str | None = None
    duration_ms: int | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """The file's name as it can be shown; bytes that are no UTF-8 as `\\xNN`."""
        return shown(self.file)

    def line(self) -> str:
        """The transcript as one line of JSON."""
        document = {
            "file": self.name,
            "text": self.text,
            "words": [asdict(word) for word in self.words],
            "language": self.language,
            "model": self.model,
            "duration_ms": self.duration_ms,
            "error": self.error,
        }
        return json.dumps(document, ensure_ascii=False) + "\n"

    def written(self, form: str, *, named: bool = False) -> str:
        """The transcript in one of `FORMS`. `named` puts the file's name before a text."""
        match form:
            case "json":
                return self.line()
            case "srt" | "vtt":
                return subtitles(self.words, form)
            case _:
                text = f"{self.name}:\n{self.text}\n" if named else f"{self.text}\n"
                return "".join(c if c == "\n" or category(c) not in _CONTROLS else _REPLACEMENT for c in text)


def transcript_of(connection: sa.Connection, file: Path, key: str) -> Transcript:
    """What the results say of a file whose copy was worked on under this key, bucket first."""
    call_id = key.removesuffix(Path(key).suffix)
    call = calls_by_id(connection, [call_id]).get(call_id)
    if call is None or call.result_run is None:
        letters = [letter for letter in find_letters(connection, search=call_id) if letter.call_id == call_id]
        return Transcript(file, error=_told(file, key, letters[0].message) if letters else _NO_RECORDING)
    return Transcript(
        file,
        call.text,
        words_of(connection, call_id),
        call.language,
        f"{call.model}@{call.model_revision}" if call.model else None,
        call.heard.duration_ms if call.heard else None,
        _told(file, key, call.failure.message) if call.failure is not None else None,
    )


def _told(file: Path, key: str, message: str) -> str:
    """What was said of a copy, said of the file."""
    name = shown(Path(file.name))
    for copy in (key, key.rpartition("/")[2], key.removesuffix(Path(key).suffix)):
        message = message.replace(copy, name)
    return message.removeprefix(f"{name}: ")


def file_names(files: Sequence[Path], form: str) -> list[str]:
    """A name for each file's transcript: its own with another suffix, and a number where that is taken.

    Names that differ in case only are one name to many file systems.
    """
    names, taken = list[str](), set[str]()
    for file in files:
        name, number = file.stem + _SUFFIXES[form], 1
        while name.casefold() in taken:
            number += 1
            name = f"{file.stem}-{number}{_SUFFIXES[form]}"
        taken.add(name.casefold())
        names.append(name)
    return names
