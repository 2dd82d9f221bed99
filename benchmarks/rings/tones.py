"""The countries' tones as the benchmark plays them: `tones.yaml`, which the analysis never reads."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter


class Ringing(BaseModel):
    """One variant of a ringing tone: frequencies together, perhaps swinging in strength, and the cadences in use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frequencies_hz: tuple[float, ...]
    modulated_hz: float = 0.0
    cadences_ms: tuple[tuple[float, ...], ...]


class FastTone(BaseModel):
    """A busy or congestion tone; in some countries every second cycle is weaker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frequencies_hz: tuple[float, ...]
    cadence_ms: tuple[float, ...]
    every_second_db: float = 0.0


class NationalTones(BaseModel):
    """What a country's network plays.

    `certain` is false where no source for the cadence could be read. `dial_hz` is given where the dial tone is not the
    ringing tone without its pauses.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    certain: bool = True
    ring: tuple[Ringing, ...]
    busy: FastTone
    congestion: FastTone
    dial_hz: tuple[float, ...] = ()


@cache
def national_tones() -> dict[str, NationalTones]:
    """All countries by their code, in the file's order."""
    text = (Path(__file__).parent / "tones.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, NationalTones]).validate_python(yaml.safe_load(text))
