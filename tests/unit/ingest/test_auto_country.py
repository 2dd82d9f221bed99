"""`country: auto`: the plan that explains a call best is taken and named."""

import numpy as np
import pytest

from examples import synth
from services.ingest.audio.tone_plans import plans_for, tone_plans
from services.ingest.audio.tones import Tones, find_tones


def tones(*parts: synth.Sound) -> Tones:
    sound = np.concatenate(parts)
    return find_tones(np.rint(sound * 32_767).astype(np.int16), 8_000, plans_for("auto"))


@pytest.mark.parametrize("country", sorted(tone_plans()))
@pytest.mark.parametrize("rings", [2, 5])
def test_every_country_s_rings_are_counted_without_being_told_the_country(country: str, rings: int) -> None:
    found = tones(synth.silence(500), synth.ringback(rings, country))
    assert (found.ring_count, found.ring_confidence >= 0.95) == (rings, True)


@pytest.mark.parametrize("country", ["MA", "FR", "ES", "DE", "BE", "PT", "UK", "US", "AU", "JP"])
def test_the_country_is_named_where_its_ringing_is_its_own(country: str) -> None:
    found = tones(synth.silence(500), synth.ringback(4, country))
    # Of those that ring alike the first is named: Morocco's second cadence is Germany's.
    assert found.country == {"DE": "MA"}.get(country, country)


def test_a_single_ring_that_plans_read_differently_is_doubtful() -> None:
    # Cut by the start at 0.7 s: more than half of a ring of 1 s, less than half of one of 1.5 s and longer.
    assert tones(synth.tone([425], 700), synth.silence(3_000)).ring_confidence < 0.9


def test_nothing_heard_names_no_country() -> None:
    found = tones(synth.silence(3_000))
    assert (found.country, found.ring_count, found.ring_confidence) == (None, 0, 0.99)
