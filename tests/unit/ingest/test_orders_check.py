"""`ringtrue orders check`: what each row of a manifest is read as, for people and for machines."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.ingest.commands import app
from tests.unit.ingest.manifests import COMMENT, ROW, SAV_ROW, VULA_ROW, Cell, csv_of, quoted_csv, workbook_of


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.chdir(tmp_path)


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["orders", "check", *arguments])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def file(name: str, data: bytes) -> str:
    Path(name).write_bytes(data)
    return name


def test_a_manifest_is_one_line_of_exactly_the_promised_form() -> None:
    rows = (
        SAV_ROW,
        {**SAV_ROW, "Number": "INC-2", "Motif suspension": "Autre"},
        {**SAV_ROW, "Number": "INC-3", COMMENT: "?"},
        {**SAV_ROW, "Number": "INC-4", "Category": "FTTH", COMMENT: "contact 0700000000"},
    )
    result = check(file("sav_2026-11-18.csv", quoted_csv(*rows)), "--json")
    assert result.exit_code == 1
    order = {
        "row": 2,
        "order": "INC-1",
        "client_number": "212612345678",
        "ordered_at": "2026-11-17T09:00:00+01:00",
        "suspended_at": "2026-11-18T18:00:00+01:00",
        "window_start": "2026-11-17T09:00:00+01:00",
        "motif": "Client absent",
        "category": "ADSL",
        "name": "ALAMI Karim",
    }
    other = {"row": 5, "order": "INC-4", "client_number": "212700000000", "category": "VULA", "name": None}
    [document] = lines(result)
    assert document == {
        "file": "sav_2026-11-18.csv",
        "kind": "SAV",
        "orders": [order, {**order, **other}],
        "skipped": [{"row": 3, "reason": "motif 'Autre' does not count"}],
        "rejected": [{"row": 4, "column": COMMENT, "value": "?", "reason": "the text holds no mobile number"}],
    }
    assert list(document) == ["file", "kind", "orders", "skipped", "rejected"]
    assert list(document["orders"][0]) == list(order)


def test_manifests_of_all_layouts_are_read_and_one_that_cannot_be_stops_no_other() -> None:
    files = [
        file("crc_adsl_2026-11-18.csv", csv_of({})),
        file("crc_vula_2026-11-18.csv", b"not;a;manifest\n1;2;3\n"),
        file("nothing.csv", b"a"),
        file("CRC_VULA_18112026.csv", quoted_csv(VULA_ROW)),
    ]
    result = check(*files, "--json")
    assert result.exit_code == 1
    read, missing, unknown, last = lines(result)
    assert [one["order"] for one in read["orders"] + last["orders"]] == ["CMD-1", "VULA-1"]
    assert missing["file"] == "crc_vula_2026-11-18.csv"
    assert "the column 'inwib2c_commande_de_partage__c' is missing" in missing["error"]
    assert "contains: crc_adsl, crc_vula, sav" in unknown["error"]


def test_a_manifest_of_good_rows_alone_exits_with_zero() -> None:
    assert check(file("crc_adsl_2026-11-18.csv", csv_of({})), "--json").exit_code == 0


def test_the_processed_day_may_be_given() -> None:
    name = file("crc_adsl_2026-11-18.csv", csv_of({}))
    [document] = lines(check(name, "--day", "2026-11-17", "--json"))
    assert document["skipped"] == [{"row": 2, "reason": "suspended on 2026-11-18, not on the processed day 2026-11-17"}]


def test_a_person_is_shown_each_order_and_why_the_other_rows_are_none() -> None:
    rows: list[list[Cell]] = [list(SAV_ROW), list(SAV_ROW.values())]
    rows += [list({**SAV_ROW, "Motif suspension": "Autre"}.values()), list({**SAV_ROW, COMMENT: "?"}.values())]
    result = check(file("sav_2026-11-18.xlsx", workbook_of({"Export": rows})))
    assert "sav_2026-11-18.xlsx, sheet 'Export': SAV, day 2026-11-18" in result.stdout
    [shown] = [line for line in result.stdout.splitlines() if "INC-1" in line]
    for told in ("2", "212612345678", "2026-11-17 09:00", "2026-11-18 18:00", "Client", "ADSL", "ALAMI"):
        assert told in shown
    assert "row 3 does not count: motif 'Autre' does not count" in result.stdout
    assert f"row 4 is refused: {COMMENT} '?': the text holds no mobile number" in result.stdout


def test_what_a_manifest_holds_is_shown_without_markup_or_control_characters() -> None:
    row = {"inwib2c_order__c": "[/red]\x1b[31mCMD", "statut_commande": "Suspendue"}
    bad = {"numero_de_contact": "[bold]", "inwib2c_order__c": "B"}
    other = {"statut_commande": "[/]"}
    result = check(file("crc_adsl_2026-11-18.csv", csv_of(row, bad, other)))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "[/red]" in result.stdout
    assert "\x1b" not in result.stdout
    assert "numero_de_contact '[bold]': not a phone number" in result.stdout
    assert "order status '[/]' does not count" in result.stdout


def test_why_a_manifest_cannot_be_read_is_said_on_standard_error() -> None:
    folder = Path("[bold]")
    folder.mkdir()
    result = check(file("[bold]/crc_adsl.csv", b"\0"))
    assert result.exit_code == 1
    assert not result.stdout
    assert "not read: [bold]/crc_adsl.csv: the file is not a text" in result.stderr


def test_a_row_of_every_column_is_understood(tmp_path: Path) -> None:
    row = {**ROW, **{f"{which}_date_recyclage": "" for which in ("premiere", "sixieme")}}
    path = tmp_path / "crc_adsl_2026-11-18.csv"
    path.write_bytes(csv_of(row))
    [document] = lines(check(str(path), "--json"))
    assert document["file"] == str(path)
