"""National tone plans: which frequencies and cadences mean what. The data is `tone_plans.yaml` beside this module."""

from functools import cache
from importlib.resources import files
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, model_validator

from ringtrue.errors import Misconfigured

#: The setting that lets the plan be recognised from the call.
AUTO = "auto"


class ToneSpec(BaseModel):
    """One tone: frequencies that sound together, the cadences in use (ms of sound and pause in turn), and who says so.

    A tone with `modulation_hz` is one frequency whose level swings that often a second (E.180 writes 400x16).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    frequencies_hz: tuple[float, ...]
    modulation_hz: float = 0.0
    cadences_ms: tuple[tuple[int, ...], ...]
    source: str

    @model_validator(mode="after")
    def _only_one_frequency_is_modulated(self) -> Self:
        if self.modulation_hz and len(self.frequencies_hz) != 1:
            raise ValueError("a modulated tone has one frequency")
        return self

    @property
    def partials_hz(self) -> tuple[float, ...]:
        """Where it has power: its frequencies, or the one with the two that amplitude modulation puts beside it."""
        if not self.modulation_hz:
            return self.frequencies_hz
        (hertz,) = self.frequencies_hz
        return hertz - self.modulation_hz, hertz, hertz + self.modulation_hz


class TonePlan(BaseModel):
    """The tones of one country. `other_rings` are ringing tones that some of its networks use instead of `ring`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    country: str
    name: str
    ring: ToneSpec
    other_rings: tuple[ToneSpec, ...] = ()
    busy: ToneSpec
    congestion: ToneSpec

    @property
    def rings(self) -> tuple[ToneSpec, ...]:
        """Every ringing tone, the usual one first."""
        return self.ring, *self.other_rings

    @property
    def not_rings(self) -> dict[str, ToneSpec]:
        """The tones that sound like ringing and are not, by kind."""
        return {"busy": self.busy, "congestion": self.congestion}


@cache
def tone_plans() -> dict[str, TonePlan]:
    """All plans by country code."""
    text = files(__package__).joinpath("tone_plans.yaml").read_text(encoding="utf-8")
    plans = {country: {"country": country, **plan} for country, plan in yaml.safe_load(text).items()}
    return TypeAdapter(dict[str, TonePlan]).validate_python(plans)


def tone_plan(country: str) -> TonePlan:
    """The plan of a country such as `MA`.

    Raises:
        Misconfigured: No plan is known for it.
    """
    plans = tone_plans()
    if country not in plans:
        raise Misconfigured(f"RINGTRUE_COUNTRY is {country!r}; tone plans are known for {', '.join(sorted(plans))}")
    return plans[country]


def plans_for(country: str) -> tuple[TonePlan, ...]:
    """The plans by which calls are read: the country's, or with `auto` all of them, to be recognised from the call.

    Raises:
        Misconfigured: No plan is known for it.
    """
    return tuple(tone_plans().values()) if country == AUTO else (tone_plan(country),)
