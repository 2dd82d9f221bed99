"""The layouts of an operator's manifests, as data: which column is what, which rows count, what a motif declares.

`layouts.yaml` beside this module is the reference operator's. Names are compared by `folded`: without case, accents and
surrounding space.
"""

import re
import unicodedata
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ringtrue.errors import Misconfigured

DEFAULT_LAYOUTS = Path(__file__).with_name("layouts.yaml")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(_Data):
    """The heading of each column that is read; a manifest may lack those that are None or optional here."""

    number: str
    client_number: str
    ordered_at: str
    suspended_at: str
    motif: str
    status: str
    work_order: str | None = None
    line_number: str | None = None
    line_id: str | None = None
    city: str | None = None

    def required(self) -> tuple[str, ...]:
        """The headings without which a manifest cannot be read."""
        return (self.number, self.client_number, self.ordered_at, self.suspended_at, self.motif, self.status)


class Motif(_Data):
    """A reason for suspension: the outcome code it declares, and every way it is written."""

    outcome: int = Field(ge=0, le=7)
    written: tuple[str, ...] = Field(min_length=1)


class Layout(_Data):
    """One kind of manifest."""

    file_name: str = Field(min_length=1)
    kind: str
    category: str
    columns: Columns
    recyclage: tuple[str, ...] = ()
    statuses: tuple[str, ...] = Field(min_length=1)
    motifs: tuple[Motif, ...] = Field(min_length=1)

    def outcomes(self) -> dict[str, int]:
        """The outcome code of each motif that counts, by its folded spelling."""
        return {folded(written): motif.outcome for motif in self.motifs for written in motif.written}

    @model_validator(mode="after")
    def _one_meaning_per_motif(self) -> Self:
        spellings = [folded(written) for motif in self.motifs for written in motif.written]
        if twice := {written for written in spellings if spellings.count(written) > 1}:
            raise ValueError(f"motif written twice: {', '.join(sorted(twice))}")
        return self


class Layouts(_Data):
    """Every layout of one operator, in the order in which file names are tried."""

    empty: frozenset[str] = frozenset({""})
    layouts: tuple[Layout, ...] = Field(min_length=1)

    def of(self, file_name: str) -> Layout | None:
        """The layout of a manifest of this name."""
        name = file_name.casefold()
        return next((layout for layout in self.layouts if layout.file_name.casefold() in name), None)

    def is_empty(self, cell: str) -> bool:
        """Whether a cell's text stands for nothing."""
        return not cell or folded(cell) in self.empty


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


def folded(text: str) -> str:
    """Text for comparison: no accents, no case, single spaces (line breaks are spaces)."""
    plain = text.replace("\u2019", "'")
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return re.sub(r"\s+", " ", plain).strip().casefold()
