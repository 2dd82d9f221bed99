"""The read side of the command line: one JSON document, tables for people, exit codes."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner, Result

from ringtrue import times
from ringtrue.cli.app import command_line
from ringtrue.database import SchemaMismatch, open_database, upgrade
from ringtrue.errors import Misconfigured, WrongUse
from services.compliance.ruleset import DEFAULT_RULES
from services.ingest.objects import is_hidden
from tests.unit.archive import made
from tests.unit.archive.made import attempt, finding, store
from tests.unit.archive.mail_server import Office, Served, text_of
from tests.unit.storage.stub_s3 import StubS3


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder without results."""
    monkeypatch.setenv("RINGTRUE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def data(empty: Path) -> Path:
    """A data folder with two judged orders, their calls, and a dead letter."""
    engine = open_database(f"sqlite:///{empty / 'results.sqlite'}")
    upgrade(engine)
    tried = (attempt("recordings/a", "2026-11-18 09:00"),)
    blamed = finding("rings", "failed", "recordings/a", reason="too_few_rings")
    other = made.order("C-2")
    store(engine, made.manifest(), made.row(), made.row(other, 3))
    store(engine, made.verdict(said="non_compliant", attempts=tried, findings=(blamed,), comment="Moins de 5"))
    store(engine, made.verdict(other, row=3))
    store(
        engine,
        made.registered(),
        made.transcribed(text="allô [bold]oui[/bold] \x1b[31m", language="fr", margin=0.5),
        made.classified(),
    )
    store(engine, made.dead_letter())
    engine.dispose()
    return empty


def run(*arguments: str) -> Result:
    """Runs a command. What it raises on purpose passes: the frame of the command line turns it into an exit code."""
    result = CliRunner().invoke(command_line(), arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def document(*arguments: str, code: int = 0) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_verdict_gives_the_findings_with_their_evidence(data: Path) -> None:
    told = document("verdict", "C-2", "C-1")
    assert {order["order"]: order["verdict"] for order in told["orders"]} == {
        "C-1": "non_compliant",
        "C-2": "compliant",
    }
    (found,) = told["orders"][0]["findings"]
    assert (found["reason"], found["evidence"][0]["call_id"]) == ("too_few_rings", "recordings/a")
    shown = run("verdict", "C-1").stdout
    for word in ("C-1", "Client injoignable", "non compliant", "rings", "recordings/a 1.0-20.2 s"):
        assert word in shown


def test_verdict_needs_a_look_when_it_is_told_so(data: Path) -> None:
    assert run("verdict", "C-1").exit_code == 0
    assert run("verdict", "C-1", "--fail-on", "to_review, non_compliant").exit_code == 1
    assert run("verdict", "C-2", "--fail-on", "non_compliant").exit_code == 0
    with pytest.raises(WrongUse, match="non_compliant"):
        run("verdict", "C-1", "--fail-on", "bad")


def test_an_unknown_order_is_named_and_the_others_are_shown(data: Path) -> None:
    result = run("verdict", "C-9", "C-2")
    assert result.exit_code == 1
    assert "C-9" in result.stderr
    assert "C-2" in result.stdout
    assert document("verdict", "C-9", "C-2", code=1)["unknown"] == ["C-9"]
    assert run("explain", "C-9").exit_code == 1


def test_explain_tells_the_story(data: Path) -> None:
    (told,) = document("explain", "C-1")["orders"]
    assert told["attempts"][0]["excerpt"]["start_ms"] == 21_000
    assert told["attempts"][0]["call"]["key"] == "recordings/a.wav"
    assert [past["verdict"] for past in told["history"]] == ["non_compliant"]
    shown = run("explain", "C-1").stdout
    for word in ("ACQUISITION ADSL", "2026-11-18 09:00:00", "allô", "21.0-23.5 s", made.MANIFEST):
        assert word in shown


def test_explain_says_what_would_have_changed_the_verdict(data: Path) -> None:
    (told,) = document("explain", "C-1")["orders"]
    (change,) = told["would_change"]
    assert (change["verdict"], change["change"]) == ("compliant", "added_call")
    assert change["text"].startswith("2 appels de plus sans réponse (5 tonalités ou messagerie), par exemple à")
    shown = run("explain", "C-1").stdout
    assert "what would have changed it" in shown
    assert change["text"] in " ".join(shown.replace("│", " ").split())


def test_explain_says_it_in_english_and_by_the_rules_that_are_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(DEFAULT_RULES.read_text("utf-8").replace("min_rings: 5", "min_rings: 7"), "utf-8")
    monkeypatch.setenv("RINGTRUE_RULES", str(rules))
    monkeypatch.setenv("RINGTRUE_LANGUAGE", "en")
    (change,) = document("explain", "C-1")["orders"][0]["would_change"]
    assert change["text"].startswith("2 more unanswered calls (7 rings or a voicemail), for example at")


def test_explain_says_so_when_the_facts_and_rules_of_today_give_another_verdict(data: Path) -> None:
    (change,) = document("explain", "C-2")["orders"][0]["would_change"]
    assert (change["verdict"], change["change"]) == ("non_compliant", "judged_now")
    assert "ringtrue reprocess --order C-2" in change["text"]


def test_explain_says_what_a_pending_order_waits_for_instead(data: Path) -> None:
    engine = open_database(f"sqlite:///{data / 'results.sqlite'}")
    pending = made.order("C-3")
    store(engine, made.row(pending, 4), made.verdict(pending, "pending", row=4, waiting_for=("appel recordings/b",)))
    engine.dispose()
    (told,) = document("explain", "C-3")["orders"]
    assert (told["would_change"], told["waiting_for"]) == ([], ["appel recordings/b"])
    shown = run("explain", "C-3").stdout
    assert "waits for: appel recordings/b" in shown
    assert "what would have changed it" not in shown


@pytest.mark.parametrize(
    ("reason", "unassigned", "verdict"),
    [
        ("coverage_incomplete", 0, "to_review"),
        ("recordings_unassigned", 3, "to_review"),
        (None, 3, "to_review"),
        (None, 0, "non_compliant"),
    ],
)
def test_explain_knows_as_little_of_the_window_as_the_judge_did(
    empty: Path, reason: str | None, unassigned: int, verdict: str
) -> None:
    engine = open_database(f"sqlite:///{empty / 'results.sqlite'}")
    upgrade(engine)
    said, found = ("to_review", finding("rings", "undetermined", reason=reason)) if reason else ("compliant", None)
    starts = ("09:00", "11:00", "13:00")[: 2 if reason else 3]
    for start in starts:
        call = f"recordings/{start}"
        store(engine, made.registered(call, started_at_ms=made.at(f"2026-11-18 {start}")), made.classified(call))
    store(engine, made.row(), made.verdict(said=said, findings=(found,) if found else (), unassigned=unassigned))
    engine.dispose()
    changes = document("explain", "C-1")["orders"][0]["would_change"]
    if reason:
        assert [one["change"] for one in changes] == ["added_call", "calls"]
        assert [one["verdict"] for one in changes] == ["compliant", "non_compliant"]
    else:
        assert next(one["verdict"] for one in changes if one["change"] == "call") == verdict


def test_what_was_said_is_neither_markup_nor_a_command_to_the_terminal(data: Path) -> None:
    for command in (["explain", "C-1"], ["calls"]):
        shown = run(*command).stdout
        assert "[bold]oui[/bold]" in shown
        assert "\x1b[31m" not in shown


def test_calls_lists_and_counts(data: Path) -> None:
    told = document("calls")
    assert (told["total"], told["calls"][0]["call_id"], told["calls"][0]["state"]) == (1, "recordings/a", "finished")
    assert document("calls", "--state", "failed") == {"calls": [], "total": 0}
    assert document("calls", "no such call")["calls"] == []
    assert "recordings/a" in run("calls", "--state", "finished,failed").stdout
    with pytest.raises(WrongUse, match="in_flight"):
        run("calls", "--state", "done")


def test_calls_say_by_which_model_and_how_surely_they_were_transcribed(data: Path) -> None:
    (call,) = document("calls")["calls"]
    assert (call["model"], call["model_revision"], call["language"], call["margin"]) == ("demo", "m1", "fr", 0.5)


def test_orders_lists_and_says_how_many_more_there_are(data: Path) -> None:
    told = document("orders", "--verdict", "compliant")
    assert (told["total"], told["orders"][0]["order"]) == (1, "C-2")
    result = run("orders", "--limit", "1")
    assert "C-1" in result.stdout
    assert "1 of 2 shown" in result.stderr
    assert json.loads(run("orders", "--limit", "1", "--json").stdout)["total"] == 2


def test_dead_letters_are_listed_and_shown(data: Path) -> None:
    (listed,) = document("dead-letters", "list")["dead_letters"]
    assert (listed["error"], listed["subject"]) == ("unknown_suffix", "recordings/x")
    assert "unknown_suffix" in run("dead-letters", "list", "--worker", "ingest").stdout
    assert document("dead-letters", "show", listed["id"])["key"] == "recordings/x"
    assert "value_base64: bm90IGEgbWVzc2FnZQ==" in run("dead-letters", "show", listed["id"]).stdout
    assert run("dead-letters", "show", "ingest.dead-letters/0/99").exit_code == 1


def test_report_writes_the_files_and_names_them(data: Path) -> None:
    out = data / "reports"
    told = document("report", "--out", str(out), "--day", "2026-11-18")
    assert {Path(file["path"]).name for file in told["files"]} == {path.name for path in out.iterdir()}
    with (out / "ACQUISITION_ADSL_2026-11-18.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [(row["N° de commande"], row["Conformité_IAM"]) for row in rows] == [
        ("C-1", "Non conforme"),
        ("C-2", "Conforme"),
    ]
    assert "2 rows" in run("report", "--out", str(out)).stdout


def test_report_writes_both_formats_when_asked_and_both_hold_the_same(data: Path) -> None:
    out = data / "reports"
    told = document("report", "--out", str(out), "--format", "csv, xlsx")
    files = {Path(file["path"]).name: file["rows"] for file in told["files"]}
    assert len(files) == 10
    assert files["ACQUISITION_ADSL_2026-11-18.xlsx"] == files["ACQUISITION_ADSL_2026-11-18.csv"] == 2
    for path in out.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            written = [[cell.replace(",", ".") for cell in row] for row in csv.reader(file, delimiter=";")]
        sheet = CalamineWorkbook.from_path(str(path.with_suffix(".xlsx"))).get_sheet_by_index(0).to_python()
        read = [
            [f"{cell:g}" if isinstance(cell, float) else str(cell).replace(",", ".") for cell in row] for row in sheet
        ]
        assert read == written
    with pytest.raises(WrongUse, match="csv, xlsx"):
        run("report", "--out", str(out), "--format", "pdf")


def test_report_tells_its_progress_on_standard_error_only(data: Path) -> None:
    result = run("report", "--out", str(data / "reports"), "--json")
    assert "2/2" in result.stderr
    assert json.loads(result.stdout)["files"]


def test_report_takes_days_by_name_in_the_operators_zone(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(data / "reports")
    monkeypatch.setattr(times, "now_ms", lambda: made.at("2026-11-19 00:00:01"))
    assert len(document("report", "--out", out, "--day", "yesterday")["files"]) == 5
    assert run("report", "--out", out, "--day", "today").exit_code == 1
    monkeypatch.setattr(times, "now_ms", lambda: made.at("2026-11-18 23:59:59"))
    assert len(document("report", "--out", out, "--day", "today")["files"]) == 5
    with pytest.raises(WrongUse, match="yesterday or today"):
        run("report", "--out", out, "--day", "18/11/2026")


def test_report_takes_the_beginning_of_names_and_csv_without_a_mark(data: Path) -> None:
    out = data / "reports"
    assert document("report", "--out", str(out), "--prefix", "crc_vula", code=1) == {"files": []}
    document("report", "--out", str(out), "--prefix", "crc_", "--no-bom", "--delimiter", ",")
    assert (out / "ACQUISITION_ADSL_2026-11-18.csv").read_bytes().startswith(b"File_date,Date")


def test_report_of_no_manifest_needs_a_look_and_names_those_there_are(data: Path) -> None:
    result = run("report", "--out", str(data / "reports"), "--day", "2026-01-01")
    assert result.exit_code == 1
    assert made.MANIFEST in result.stderr
    with pytest.raises(WrongUse, match="one character"):
        run("report", "--out", str(data), "--delimiter", "tab")


@pytest.mark.parametrize(
    "command", [["verdict", "C-1"], ["explain", "C-1"], ["calls"], ["orders"], ["dead-letters", "list"]]
)
def test_before_the_first_run_every_command_says_how_to_begin(empty: Path, command: list[str]) -> None:
    with pytest.raises(SchemaMismatch, match="ringtrue demo"):
        run(*command)
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [["report"], ["verdict"], ["explain"], ["calls"], ["orders"], ["dead-letters", "list"], ["dead-letters", "show"]],
)
def test_every_command_teaches(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_reports_go_out_by_email_once(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office()
    arguments = ("report", "--out", str(tmp_path / "out"), "--email")
    with pytest.raises(Misconfigured, match="RINGTRUE_MAIL__HOST is not set"):
        run(*arguments)
    with Served(office, None) as port:
        for name, value in {"HOST": "127.0.0.1", "PORT": str(port), "SECURITY": "none"}.items():
            monkeypatch.setenv(f"RINGTRUE_MAIL__{name}", value)
        monkeypatch.setenv("RINGTRUE_MAIL__SENDER", "ringtrue@operator.example")
        monkeypatch.setenv("RINGTRUE_MAIL__RECIPIENTS", "partner@iam.example")
        subject = "Rapports de conformité : ACQUISITION_ADSL_2026-11-18"
        assert document(*arguments)["mails"] == [{"subject": subject, "sent": True}]
        assert document(*arguments)["mails"] == [{"subject": subject, "sent": False}]
        assert f"went out before: {subject}" in run(*arguments).stdout
        assert document(*arguments, "--email-again")["mails"] == [{"subject": subject, "sent": False}]
    [first] = office.taken
    assert first["Subject"] == subject
    assert {part.get_filename() for part in first.iter_attachments()} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert "ACQUISITION_ADSL_2026-11-18.csv : 2 lignes" in text_of(first)


def test_reports_are_put_beside_their_manifest_where_no_lister_takes_them_for_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: StubS3
) -> None:
    arguments = ("report", "--out", str(tmp_path / "out"), "--beside-manifest")
    with pytest.raises(WrongUse, match="is for a bucket"):
        run(*arguments)
    monkeypatch.setenv("RINGTRUE_SOURCE", "s3://recordings")
    for name, value in bucket.settings.model_dump().items():
        if name in ("endpoint", "access_key", "secure"):
            monkeypatch.setenv(f"RINGTRUE_S3__{name.upper()}", str(value))
    monkeypatch.setenv("RINGTRUE_S3__SECRET_KEY", bucket.settings.secret_key.get_secret_value())
    told = document(*arguments)
    written = {f"manifests/.reports/{path.name}": path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert {key: found.data for key, found in bucket.buckets["recordings"].items()} == written
    assert sorted(told["objects"]) == sorted(f"recordings/{key}" for key in written)
    assert all(is_hidden(key) for key in written)
