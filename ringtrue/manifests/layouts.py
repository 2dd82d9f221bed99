"""The layouts of an operator's manifests, as data: which column is what, which rows count, what a motif declares.

`layouts.yaml` beside this module is the reference operator's. Names are compared by `folded`: without case, accents and
surrounding space.
"""

import json
import unicodedata
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ringtrue.digest import digest
from ringtrue.errors import Misconfigured

DEFAULT_LAYOUTS = Path(__file__).with_name("layouts.yaml")
#: Characters; longer cells need not be compared with what stands for an empty one.
_LONGEST_EMPTY = 30
#: Apostrophes as word processors write them.
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"))


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Data):
    """The heading of each column that is read; a manifest may lack those that are None or optional here."""

    number: str
    ordered_at: str
    suspended_at: str
    motif: str
    #: The client's number stands in a column of its own, or somewhere in a comment.
    client_number: str | None = None
    comment: str | None = None
    #: None: every status counts.
    status: str | None = None
    #: None: every row is of the layout's category.
    category: str | None = None
    work_order: str | None = None
    line_number: str | None = None
    line_id: str | None = None
    city: str | None = None

    def required(self) -> tuple[str, ...]:
        """The headings without which a manifest cannot be read."""
        needed = (
            self.number,
            self.client_number,
            self.comment,
            self.ordered_at,
            self.suspended_at,
            self.motif,
            self.status,
            self.category,
        )
        return tuple(heading for heading in needed if heading)

    @model_validator(mode="after")
    def _says_where_the_number_is(self) -> Self:
        if (self.client_number is None) == (self.comment is None):
            raise ValueError("either client_number or comment is expected: the column that holds the client's number")
        return self


class Labels(_Data):
    """The words by which `free_text` finds a client's number and name in a comment."""

    after: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    first_name: tuple[str, ...] = ()
    not_names: frozenset[str] = frozenset()


class Motif(_Data):
    """A reason for suspension: the outcome code it declares, and every way it is written."""

    outcome: int = Field(ge=0, le=7)
    written: tuple[str, ...] = Field(min_length=1)


class Layout(_Data):
    """One kind of manifest."""

    file_name: str = Field(min_length=1)
    kind: str
    category: str
    #: The category of rows whose category column contains a text, by that text; of all others it is `category`.
    categories: dict[str, str] = {}
    columns: Columns
    recyclage: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    motifs: tuple[Motif, ...] = Field(min_length=1)
    labels: Labels = Labels()

    def optional(self) -> tuple[str, ...]:
        """The headings that are read where a manifest has them."""
        columns = self.columns
        also = (columns.work_order, columns.line_number, columns.line_id, columns.city)
        return (*(heading for heading in also if heading), *self.recyclage)

    def outcomes(self) -> dict[str, int]:
        """The outcome code of each motif that counts, by its folded spelling."""
        return {folded(written): motif.outcome for motif in self.motifs for written in motif.written}

    @model_validator(mode="after")
    def _columns_and_what_they_mean_go_together(self) -> Self:
        if bool(self.columns.status) != bool(self.statuses):
            raise ValueError("columns.status and statuses go together")
        if bool(self.columns.category) != bool(self.categories):
            raise ValueError("columns.category and categories go together")
        return self

    @model_validator(mode="after")
    def _one_meaning_per_motif(self) -> Self:
        spellings = [folded(written) for motif in self.motifs for written in motif.written]
        if twice := {written for written in spellings if spellings.count(written) > 1}:
            raise ValueError(f"motif written twice: {', '.join(sorted(twice))}")
        return self


class Layouts(_Data):
    """Every layout of one operator, in the order in which file names are tried."""

    empty: frozenset[str] = frozenset({""})
    date_forms: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = Field(min_length=1)

    def of(self, file_name: str) -> Layout | None:
        """The layout of a manifest of this name."""
        name = file_name.casefold()
        return next((layout for layout in self.layouts if layout.file_name.casefold() in name), None)

    def is_empty(self, cell: str) -> bool:
        """Whether a cell's text stands for nothing."""
        return not cell or (len(cell) <= _LONGEST_EMPTY and folded(cell) in self.empty)

    @cached_property
    def hash(self) -> str:
        """Names their content: equal for equal layouts, on any machine."""
        return digest(json.dumps(self.model_dump(), sort_keys=True, default=sorted).encode())

    @field_validator("empty")
    @classmethod
    def _are_short(cls, empty: frozenset[str]) -> frozenset[str]:
        if long := [written for written in empty if len(written) > _LONGEST_EMPTY]:
            raise ValueError(f"at most {_LONGEST_EMPTY} characters stand for an empty cell, not {long[0]!r}")
        return frozenset(map(folded, empty))


def load_layouts(path: Path | None = None) -> Layouts:
    """The layouts of a YAML file; without one, the reference operator's.

    Raises:
        Misconfigured: it is no such file; names the file, the setting, its value and what is allowed.
    """
    path = path or DEFAULT_LAYOUTS
    try:
        return Layouts.model_validate(yaml.safe_load(path.read_bytes()))
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise Misconfigured(f"{path} holds no layouts of manifests: {error}") from error


@lru_cache(maxsize=4096)  # most cells that are compared hold one of a few words
def folded(text: str) -> str:
    """Text for comparison: no accents, no case, single spaces (line breaks are spaces), nothing invisible."""
    plain = text
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain.translate(_APOSTROPHES))
        plain = "".join(c for c in decomposed if unicodedata.category(c) not in ("Mn", "Cf"))
    return " ".join(plain.split()).casefold()
