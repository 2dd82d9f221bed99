"""National tone plans: which frequencies and cadences mean what. The data is `tone_plans.yaml` beside this module."""

from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from ringtrue.errors import Misconfigured


class ToneSpec(BaseModel):
    """One tone: frequencies that sound together, and the cadences in use (ms of sound and pause in turn)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frequencies_hz: tuple[float, ...]
    cadences_ms: tuple[tuple[int, ...], ...]


class TonePlan(BaseModel):
    """The tones of one country, with the source of the figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    ring: ToneSpec
    busy: ToneSpec
    congestion: ToneSpec


@cache
def tone_plans() -> dict[str, TonePlan]:
    """All plans by country code."""
    text = files(__package__).joinpath("tone_plans.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, TonePlan]).validate_python(yaml.safe_load(text))


def tone_plan(country: str) -> TonePlan:
    """The plan of a country such as `MA`.

    Raises:
        Misconfigured: No plan is known for it.
    """
    plans = tone_plans()
    if country not in plans:
        raise Misconfigured(f"RINGTRUE_COUNTRY is {country!r}; tone plans are known for {', '.join(sorted(plans))}")
    return plans[country]
