"""The parameters of the rules: read from a YAML file and checked.

`rules.yaml` beside this module documents each of them and holds the defaults.
"""

from __future__ import annotations

from datetime import time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator

from ringtrue.errors import Misconfigured
from ringtrue.fingerprint import SAME_AUDIO_SIMILARITY
from services.compliance.phrases import normalised

#: The rules that ship with Ringtrue.
DEFAULT_RULES = Path(__file__).with_name("rules.yaml")

_ORDER_TYPES = frozenset({"ACQUISITION/ADSL", "ACQUISITION/VULA", "SAV/ADSL", "SAV/VULA"})


def _has_a_word(phrase: str) -> str:
    if not normalised(phrase).strip():
        raise ValueError("a phrase of one word or more is expected")
    return phrase


_Phrase = Annotated[str, AfterValidator(_has_a_word)]
_CheckName = Literal["same_audio", "recording_length", "early_hang_up", "start_times"]
#: Phrases by the type of order; a type that is not there has none.
PhraseLists = dict[Annotated[str, Field(pattern="^(ACQUISITION|SAV)$")], tuple[_Phrase, ...]]


class Ruleset(BaseModel):
    """The parameters of the rules in force (see rules.yaml)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: str
    min_attempts: int = Field(ge=1)
    min_gap: Annotated[timedelta, Field(gt=timedelta(0))]
    min_rings: int = Field(ge=0, validation_alias=AliasChoices("min_rings", "max_beeps"))
    min_ring_confidence: float = Field(ge=0, le=1)
    min_branch_calls: int = Field(ge=1)
    late_from: time
    behaviour_counts: bool
    unassigned_tolerance: float = Field(ge=0, le=1)
    branches: dict[str, str]
    required_phrases: PhraseLists = Field(default_factory=dict)
    forbidden_phrases: PhraseLists = Field(default_factory=dict)
    checks_that_count: Annotated[tuple[_CheckName, ...], AfterValidator(lambda names: tuple(sorted(set(names))))] = ()
    same_audio_similarity: float = Field(default=SAME_AUDIO_SIMILARITY, gt=0.5, le=1)
    length_tolerance: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(seconds=10)
    clock_tolerance: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(minutes=5)

    @field_validator("late_from")
    @classmethod
    def _is_a_local_time(cls, late_from: time) -> time:
        if late_from.tzinfo is not None:
            raise ValueError("a local time is expected, without an offset, such as 17:00:00")
        return late_from

    @field_validator("branches")
    @classmethod
    def _names_every_order_type(cls, branches: dict[str, str]) -> dict[str, str]:
        if set(branches) != _ORDER_TYPES:
            raise ValueError(f"a branch is expected for each of {', '.join(sorted(_ORDER_TYPES))}, nothing else")
        return branches

    @cached_property
    def zone(self) -> ZoneInfo:
        """The operator's time zone."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def min_gap_ms(self) -> int:
        """`min_gap` in milliseconds."""
        return self.min_gap // timedelta(milliseconds=1)

    @cached_property
    def length_tolerance_ms(self) -> int:
        """`length_tolerance` in milliseconds."""
        return self.length_tolerance // timedelta(milliseconds=1)

    @cached_property
    def clock_tolerance_ms(self) -> int:
        """`clock_tolerance` in milliseconds."""
        return self.clock_tolerance // timedelta(milliseconds=1)

    @property
    def asks_for_words(self) -> bool:
        """Whether a rule needs the transcripts of calls."""
        return any((*self.required_phrases.values(), *self.forbidden_phrases.values()))

    def branch_of(self, kind: str, category: str) -> str:
        """The branch that an order's calls must come from."""
        return self.branches[f"{kind}/{category}"]


def load_ruleset(time_zone: str, path: Path | None = None) -> Ruleset:
    """Reads and checks a rules file, the shipped one unless another is given.

    Args:
        time_zone: The operator's zone (tz database); part of the rules, because "after 17:00" means nothing without it.

    Raises:
        Misconfigured: The file is missing, is no YAML, or holds a value that is not allowed; the message names each.
    """
    path = path or DEFAULT_RULES
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"rules file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misconfigured(f"rules file {path} is not YAML in UTF-8: {error}") from error
    if not isinstance(values, dict):
        raise Misconfigured(f"rules file {path}: settings are expected, one 'name: value' a line")
    try:
        return Ruleset.model_validate({**values, "time_zone": time_zone})
    except ValidationError as error:
        problems = "\n  ".join(_problem(dict(found)) for found in error.errors())
        raise Misconfigured(f"rules file {path} is wrong:\n  {problems}") from error


def _problem(found: dict[str, Any]) -> str:
    setting = ".".join(str(part) for part in found["loc"])
    if found["type"] == "missing":
        return f"{setting} is missing"
    if found["type"] == "extra_forbidden":
        allowed = sorted(set(Ruleset.model_fields) - {"time_zone"})
        return f"{setting}={found['input']!r}: no such setting; there are {', '.join(allowed)}"
    return f"{setting}={found['input']!r}: {found['msg']}"
