"""`ringtrue judge`: manifests and facts in, verdicts out."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from ringtrue.cli.app import command_line
from ringtrue.errors import WrongUse
from ringtrue.manifests.layouts import DEFAULT_LAYOUTS
from services.compliance.ruleset import DEFAULT_RULES

HEADINGS = (
    "inwib2c_order__c;inwib2c_degroupage_num__c;date_commande;date_last_status;numero_de_contact;"
    "statut_de_degroupage_iam;statut_commande;nd;city"
)
UNREACHED, REFUSED = "0612345678", "0699999999"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a manifest of two orders, and facts by which one is compliant and one is not."""
    monkeypatch.setenv("RINGTRUE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    write_manifest(
        tmp_path / "CRC_ADSL_2026-11-18.csv", row("A", UNREACHED), row("B", REFUSED, "client refuse installation")
    )
    calls = [call(f"a{hour}", UNREACHED, hour, outcome=0) for hour in (9, 11, 13)]
    write_facts(tmp_path / "facts.jsonl", *calls, call("b9", REFUSED, 9, outcome=2))
    return tmp_path


def row(number: str, client: str, motif: str = "client injoignable") -> str:
    return f"{number};W;2026-11-18 08:00:00;2026-11-18 18:00:00;{client};{motif};suspendue;;Rabat"


def write_manifest(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADINGS, *rows]) + "\n", encoding="utf-8")
    return path


def call(name: str, client: str, hour: int, **facts: object) -> dict[str, object]:
    return {
        "call_id": name,
        "client_number": client,
        "started_at": f"2026-11-18 {hour:02d}:00:00",
        "branch": "ADSL_INSTALL",
        "status": "ok",
        "behaviour": 1,
        "ring_count": 5,
        **facts,
    }


def write_facts(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_rules(path: Path, **settings: object) -> Path:
    values = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8")) | settings
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def judge(folder: Path, *options: object) -> Result:
    manifest, facts = folder / "CRC_ADSL_2026-11-18.csv", folder / "facts.jsonl"
    arguments = ["judge", "--manifest", manifest, "--calls", facts, *options]
    result = CliRunner().invoke(command_line("judge"), [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def verdicts(result: Result) -> dict[str, str]:
    return {line["order"]: line["verdict"] for line in lines(result)}


def test_orders_are_judged_and_counted(folder: Path) -> None:
    result = judge(folder)
    assert result.exit_code == 0
    for word in ("A ", "212699999999", "2026-11-18", "non compliant", "Déclaration non conforme"):
        assert word in result.stdout
    assert [text.split() for text in result.stdout.splitlines()[-2:]] == [["1", "compliant"], ["1", "non", "compliant"]]


def test_each_order_is_a_line_as_the_demo_prints_it(folder: Path) -> None:
    told = lines(judge(folder, "--json"))
    assert [(one["order"], one["row"], one["verdict"]) for one in told] == [
        ("A", 2, "compliant"),
        ("B", 3, "non_compliant"),
    ]
    first = told[0]
    assert first["manifest"].endswith("CRC_ADSL_2026-11-18.csv")
    assert [finding["rule"] for finding in first["findings"]][:2] == ["last_call", "attempts"]
    assert first["findings"][1]["evidence"][0]["call_id"] == "a9"
    assert [attempt["call_id"] for attempt in first["attempts"]] == ["a9", "a11", "a13"]
    assert first["waiting_for"] == []
    assert len(first["rules_hash"]) == 16


def test_verdicts_that_need_a_look_can_be_named(folder: Path) -> None:
    assert judge(folder, "--fail-on", "non_compliant").exit_code == 1
    assert judge(folder, "--fail-on", "to_review").exit_code == 0
    with pytest.raises(WrongUse, match="pending: compliant, non_compliant, to_review are allowed"):
        judge(folder, "--fail-on", "pending")


def test_other_rules_judge_otherwise(folder: Path) -> None:
    rules = write_rules(folder / "rules.yaml", min_attempts=4)
    assert verdicts(judge(folder, "--rules", rules, "--json"))["A"] == "non_compliant"


def test_a_comparison_lists_what_would_flip_and_why(folder: Path) -> None:
    rules = write_rules(folder / "rules.yaml", min_attempts=4)
    result = judge(folder, "--compare", rules)
    assert "attempts: passed → failed (Moins de 4 appels trouvés)" in result.stdout
    assert "1 of 2 verdicts would flip" in result.stdout
    (flip,) = lines(judge(folder, "--compare", rules, "--json"))
    assert (flip["order"], flip["verdict"], flip["compared"]["verdict"]) == ("A", "compliant", "non_compliant")
    assert flip["rules_hash"] != flip["compared"]["rules_hash"]
    (change,) = flip["changes"]
    assert (change["rule"], change["before"]["result"], change["after"]["reason"]) == (
        "attempts",
        "passed",
        "too_few_attempts",
    )


def test_a_comparison_names_a_rule_that_only_now_counts(folder: Path) -> None:
    write_facts(
        folder / "facts.jsonl", *(call(f"a{hour}", UNREACHED, hour, outcome=0, behaviour=0) for hour in (9, 11, 13))
    )
    rules = write_rules(folder / "rules.yaml", behaviour_counts=True)
    flip = lines(judge(folder, "--compare", rules, "--json"))[0]
    assert flip["order"] == "A"
    assert flip["changes"] == [
        {
            "rule": "behaviour",
            "before": None,
            "after": {"result": "failed", "reason": "bad_behaviour", "comment": "Communication non conforme"},
        }
    ]


def test_the_same_rules_flip_nothing(folder: Path) -> None:
    result = judge(folder, "--compare", DEFAULT_RULES, "--json")
    assert (result.stdout, result.exit_code) == ("", 0)


def test_a_bad_line_is_reported_and_accuses_nobody(folder: Path) -> None:
    facts = folder / "facts.jsonl"
    facts.write_text(facts.read_text().replace('"outcome": 2', '"outcome": "2"'))
    result = judge(folder, "--json")
    assert result.exit_code == 1
    assert 'facts.jsonl, line 4: outcome="2": Input should be a valid integer' in result.stderr
    assert verdicts(result) == {"A": "compliant", "B": "to_review"}


def test_a_call_that_is_lost_to_a_broken_line_is_never_held_against_anyone(folder: Path) -> None:
    facts = folder / "facts.jsonl"
    facts.write_text(facts.read_text().replace('{"call_id": "a11"', '{"call_id": "a11'))
    result = judge(folder, "--json")
    found = {finding["rule"]: finding["reason"] for finding in lines(result)[0]["findings"]}
    assert found["attempts"] == found["interval"] == "recordings_unassigned"
    assert verdicts(result)["A"] == "to_review"
    assert "1 recordings have no client number" in result.stderr


def test_manifests_that_cannot_be_used_are_reported_and_the_others_go_on(folder: Path) -> None:
    bad = write_manifest(folder / "other.csv", row("X", UNREACHED))
    row_refused = write_manifest(folder / "crc_adsl_2_2026-11-18.csv", row("Y", "06123"), row("Z", "0611111111"))
    result = judge(folder, bad, row_refused, "--json")
    assert result.exit_code == 1
    assert f"{bad}: no layout is for this name" in result.stderr
    assert f"{row_refused}, row 2: numero_de_contact '06123': not a phone number" in result.stderr
    assert list(verdicts(result)) == ["A", "B", "Z"]


def test_a_case_in_two_manifests_is_what_the_later_one_says(folder: Path) -> None:
    again = write_manifest(folder / "crc_adsl_2_2026-11-18.csv", row("A", REFUSED))
    told = lines(judge(folder, "--manifest", again, "--json"))
    assert [(one["order"], one["client_number"]) for one in told] == [("B", "212699999999"), ("A", "212699999999")]


def test_the_day_and_the_layouts_can_be_named(folder: Path) -> None:
    assert judge(folder, "--day", "2026-11-17", "--json").stdout == ""
    with pytest.raises(WrongUse, match="YYYY-MM-DD"):
        judge(folder, "--day", "yesterday")
    layouts = folder / "layouts.yaml"
    layouts.write_text(DEFAULT_LAYOUTS.read_text(encoding="utf-8").replace("crc_adsl", "other"), encoding="utf-8")
    assert "no layout is for this name" in judge(folder, "--layouts", layouts).stderr


def test_files_that_are_not_there_are_named(folder: Path) -> None:
    for option in ("--manifest", "--calls", "--rules", "--compare", "--layouts"):
        with pytest.raises(Exception, match="nowhere"):
            judge(folder, option, folder / "nowhere")


def test_transcripts_are_read_when_a_rule_asks_for_phrases(folder: Path) -> None:
    rules = write_rules(folder / "rules.yaml", forbidden_phrases={"ACQUISITION": ["tant pis"]})
    calls = [call("a9", UNREACHED, 9, outcome=0), call("b9", REFUSED, 9, outcome=1, transcript="Tant pis !")]
    write_facts(folder / "facts.jsonl", *calls)
    found = [
        {finding["rule"]: finding["reason"] for finding in line["findings"]}["forbidden_phrases"]
        for line in lines(judge(folder, "--rules", rules, "--json"))
    ]
    assert found == ["transcript_partial", "phrase_forbidden"]
