"""The labelled texts: a JSON object a line, in files that are called by language and part, such as `fr_dev.jsonl`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from ringtrue.errors import Misconfigured
from ringtrue.outcomes import CODES

FOLDER = Path(__file__).with_name("corpus")
#: Used for the final figure only: whoever looks at what is wrong there has spent it.
DEVELOPMENT, FINAL = "dev", "final"
LANGUAGES = ("fr", "ary")

_Line = TypeVar("_Line", bound=BaseModel)


class CorpusError(Misconfigured):
    """A file of texts is missing, or a line of it is wrong; the message names both."""


def _acquisition_code(code: int) -> int:
    if code not in CODES["ACQUISITION"]:
        raise ValueError(f"{', '.join(str(int(one)) for one in sorted(CODES['ACQUISITION']))} are allowed")
    return code


def _sav_code(code: int) -> int:
    if code not in CODES["SAV"]:
        raise ValueError(f"{', '.join(str(int(one)) for one in sorted(CODES['SAV']))} are allowed")
    return code


def _tags(value: object) -> object:
    return [value] if isinstance(value, str) and value else value or ()


AcquisitionCode = Annotated[int, Field(strict=True), AfterValidator(_acquisition_code)]
SavCode = Annotated[int, Field(strict=True), AfterValidator(_sav_code)]
Behaviour = Annotated[int, Field(strict=True, ge=0, le=1)]


class Facts(BaseModel):
    """What else a text shows, as its words; None where it does not.

    Attributes:
        reached: client, other_person, voicemail, announcement, nobody.
        appointment: A date or an appointment that was promised.
        appointment_agreed: Whether the client agreed to it.
        reason: The reason that was given.
        no_more_calls: A request not to be called again.
    """

    reached: str | None = None
    appointment: str | None = None
    appointment_agreed: bool | None = None
    reason: str | None = None
    no_more_calls: str | None = None


class Case(BaseModel):
    """A text with what it shows.

    Attributes:
        id: Its name.
        text: What was said.
        acquisition: The outcome among the codes of ACQUISITION.
        sav: Among those of SAV.
        behaviour: 1 good or neutral, 0 bad.
        hard: What is hard about it; none for a plain text.
        script: How it is written, where a language has several: arabic, arabizi, mixed.
        shown: What else it shows.
    """

    id: str
    text: str
    acquisition: AcquisitionCode
    sav: SavCode
    behaviour: Behaviour
    hard: Annotated[tuple[str, ...], BeforeValidator(_tags)] = ()
    script: str = ""
    shown: Facts | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """The texts of one file."""

    name: str
    cases: tuple[Case, ...]

    @property
    def is_final(self) -> bool:
        """Whether it is kept for the final figure."""
        return self.name.endswith(f"_{FINAL}")

    @property
    def language(self) -> str:
        """Of its texts, by its name: fr, ary."""
        return self.name.partition("_")[0]


def load_part(path: Path) -> Part:
    """Reads a file of texts.

    Raises:
        CorpusError: It is not there, a line is wrong, or an id stands twice.
    """
    seen = dict[str, int]()
    cases = list[Case]()
    for number, case in read_lines(path, Case):
        if case.id in seen:
            raise CorpusError(f"{path}:{number}: the id {case.id!r} is that of line {seen[case.id]}, too")
        seen[case.id] = number
        cases.append(case)
    if not cases:
        raise CorpusError(f"{path}: there is no text in it")
    return Part(path.stem, tuple(cases))


def parts_there(part: str, folder: Path = FOLDER) -> list[Path]:
    """The files of the project's own corpus that are there, of one part."""
    paths = [folder / f"{language}_{part}.jsonl" for language in LANGUAGES]
    return [path for path in paths if path.exists()]


def read_lines(path: Path, kind: type[_Line]) -> Iterator[tuple[int, _Line]]:
    """The lines of a file with their numbers; empty ones are passed over.

    Raises:
        CorpusError: The file cannot be read, or a line is wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, kind.model_validate_json(line)
        except ValidationError as error:
            found = error.errors()[0]
            field = ".".join(map(str, found["loc"]))
            raise CorpusError(f"{path}:{number}: {field + ': ' if field else ''}{found['msg']}") from error
