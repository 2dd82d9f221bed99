import pytest

from ringtrue.errors import Misconfigured
from services.ingest.audio.tone_plans import ToneSpec, plans_for, tone_plan, tone_plans

COUNTRIES = sorted(tone_plans())


def test_a_country_without_a_plan_is_named_with_those_that_have_one() -> None:
    for asked in (tone_plan, plans_for):
        with pytest.raises(Misconfigured, match=r"'XX'.*AU, BE, CA, CZ, DE, DZ, ES, FR, IT, JP, MA"):
            asked("XX")


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_tone_names_its_source_and_its_cadences_end_with_a_pause(country: str) -> None:
    plan = tone_plan(country)
    assert plan.country == country
    for spec in (*plan.rings, *plan.not_rings.values()):
        assert spec.source
        assert list(spec.frequencies_hz) == sorted(spec.frequencies_hz)
        assert all(len(cadence) % 2 == 0 for cadence in spec.cadences_ms)


def test_auto_means_all_plans_and_a_country_its_own() -> None:
    assert plans_for("auto") == tuple(tone_plans().values())
    assert [plan.country for plan in plans_for("CA")] == ["CA"]


def test_a_modulated_tone_has_power_on_both_sides_of_its_one_frequency() -> None:
    spec = ToneSpec(frequencies_hz=(400,), modulation_hz=16, cadences_ms=((1_000, 2_000),), source="a test")
    assert spec.partials_hz == (384, 400, 416)


def test_two_frequencies_are_not_modulated() -> None:
    with pytest.raises(ValueError, match="one frequency"):
        ToneSpec(frequencies_hz=(400, 450), modulation_hz=16, cadences_ms=((1_000, 2_000),), source="a test")
