"""The rules file: what ships is valid and documented, and a wrong one says what is wrong."""

from pathlib import Path

import pytest
import yaml

from ringtrue.errors import Misconfigured
from ringtrue.outcomes import LANGUAGES, Language
from services.compliance.in_force import rules_hash
from services.compliance.rules import RULES as TABLE
from services.compliance.rules_shown import explain_rules
from services.compliance.ruleset import DEFAULT_RULES, load_ruleset
from tests.unit.compliance.cases import RULES, changed


def written(folder: Path, **settings: object) -> Path:
    values = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8")) | settings
    path = folder / "rules.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in values.items() if value is not None}), "utf-8")
    return path


def test_every_setting_that_ships_is_documented() -> None:
    lines = DEFAULT_RULES.read_text(encoding="utf-8").splitlines()
    settings = [number for number, line in enumerate(lines) if line and line[0].isalpha()]
    assert len(settings) == len(yaml.safe_load("\n".join(lines)))
    assert all(lines[number - 1].startswith("# ") for number in settings)


def test_the_older_name_of_the_required_rings_is_understood(tmp_path: Path) -> None:
    path = written(tmp_path, min_rings=None, max_beeps=4)
    assert load_ruleset("Africa/Casablanca", path).min_rings == 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"min_rings": -1}, "min_rings=-1: Input should be greater than or equal to 0"),
        ({"min_gap": "soon"}, "min_gap='soon'"),
        ({"min_gap": "00:00:00"}, "greater than"),
        ({"min_ring_confidence": 90}, "min_ring_confidence=90: Input should be less than or equal to 1"),
        ({"late_from": "25:00:00"}, "late_from='25:00:00'"),
        ({"late_from": "17:00:00Z"}, "a local time is expected, without an offset"),
        ({"minimum": 3}, "minimum=3: no such setting; there are behaviour_counts, branches"),
        ({"min_attempts": None}, "min_attempts is missing"),
        ({"branches": {"SAV/ADSL": "X"}}, "a branch is expected for each of ACQUISITION/ADSL"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(Misconfigured) as error:
        load_ruleset("Africa/Casablanca", written(tmp_path, **settings))
    assert said in str(error.value)
    assert "rules.yaml" in str(error.value)


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"none\.yaml: No such file"):
        load_ruleset("UTC", tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("min_rings: [", encoding="utf-8")
    with pytest.raises(Misconfigured, match="is not YAML"):
        load_ruleset("UTC", broken)
    broken.write_text("just words", encoding="utf-8")
    with pytest.raises(Misconfigured, match="settings are expected"):
        load_ruleset("UTC", broken)


def test_equal_rules_have_equal_hashes_whatever_the_file_looks_like(tmp_path: Path) -> None:
    assert rules_hash(load_ruleset("Africa/Casablanca", written(tmp_path))) == rules_hash(RULES)


def test_any_changed_parameter_changes_the_hash() -> None:
    assert rules_hash(changed(min_rings=4)) != rules_hash(RULES)
    assert rules_hash(changed(time_zone="UTC")) != rules_hash(RULES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rules_in_force_are_told_in_words(language: Language) -> None:
    told = explain_rules(changed(min_attempts=7), language)
    lines = told.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [rule.name for rule in TABLE]
    assert rules_hash(changed(min_attempts=7)) in lines[0]
    assert "7" in lines[2]
    assert "2h" in told
    assert "{" not in told
