"""`ringtrue run` and the commands after it, as a person uses them on a folder of his own (ASR stubbed)."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.folder import make_folder

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Desk:
    """A folder of recordings and a data folder, and the command line over them."""

    source: Path
    data: Path

    def ringtrue(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "RINGTRUE_DATA_DIR": str(self.data),
            "RINGTRUE_ASR__ENGINE": "stub",
            "RINGTRUE_INGEST__DECODERS": "1",
        }
        command = [sys.executable, "-m", "ringtrue", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    def json(self, *arguments: str) -> dict[str, object]:
        done = self.ringtrue(*arguments, "--json")
        assert done.stdout, done.stderr
        document: dict[str, object] = json.loads(done.stdout)
        return document


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    home = tmp_path_factory.mktemp("desk")
    desk = Desk(make_folder(home / "bucket"), home / "data")
    done = desk.ringtrue("run", str(desk.source), "--once")
    assert done.returncode == 1, done.stderr
    assert "rejected_row" in done.stdout
    assert "CMD-1" in done.stdout
    return desk


def test_the_books_balance_after_a_run(desk: Desk) -> None:
    books = desk.json("status")["books"]
    assert isinstance(books, dict)
    assert books["seen"] == books["registered"] + books["duplicates"] + books["refused"] == 6
    assert books["registered"] == books["finished"] + books["failed"] + books["in_flight"] + books["not_wanted"]
    assert (books["finished"], books["failed"], books["in_flight"]) == (5, 1, 0)


def test_a_verdict_can_be_asked_for_and_fail_a_script(desk: Desk) -> None:
    assert desk.ringtrue("verdict", "CMD-1", "--fail-on", "non_compliant").returncode == 0
    assert desk.ringtrue("verdict", "CMD-2", "--fail-on", "non_compliant").returncode == 1


def test_what_was_refused_is_listed_once_with_its_reason(desk: Desk) -> None:
    listed = json.dumps(desk.json("dead-letters", "list"))
    assert listed.count("rejected_row") == 1
    assert "this is no recording" not in listed


def test_another_run_over_the_same_folder_changes_nothing_and_mended_files_are_taken_up(desk: Desk) -> None:
    before = desk.json("status")["books"]
    assert desk.ringtrue("run", str(desk.source), "--once").returncode == 1
    assert desk.json("status")["books"] == before

    broken = desk.source / "calls" / "0600000003_20261118-101500.wav"
    shutil.copy(desk.source / "calls" / "0600000001-0900.wav", broken)
    manifest = desk.source / "crc_adsl_2026-11-18.csv"
    manifest.write_text(manifest.read_text().replace(";06;", ";0600000003;"))
    desk.ringtrue("run", str(desk.source), "--once")
    books = desk.json("status")["books"]
    assert isinstance(books, dict)
    assert (books["finished"], books["failed"]) == (6, 0)
    document = desk.json("verdict", "CMD-9")
    assert "non_compliant" in json.dumps(document)


def test_a_dead_letter_is_tried_again_as_a_new_run(desk: Desk) -> None:
    done = desk.ringtrue("dead-letters", "retry", "--all")
    assert done.returncode == 0, done.stderr
    desk.ringtrue("run", str(desk.source), "--once")
    calls = desk.json("calls")["calls"]
    assert isinstance(calls, list)
    again = next(call for call in calls if "0600000003" in call["call_id"])
    assert again["state"] == "finished"


def test_doctor_finds_everything_in_order(desk: Desk) -> None:
    checks = desk.json("doctor")["checks"]
    assert isinstance(checks, list)
    assert [check["name"] for check in checks if not check["ok"]] == []


def test_a_data_folder_belongs_to_one_source(desk: Desk, tmp_path: Path) -> None:
    done = desk.ringtrue("run", str(tmp_path), "--once")
    assert done.returncode == 2
    assert "RINGTRUE_DATA_DIR" in done.stderr


def test_wrong_use_names_what_is_wrong(desk: Desk) -> None:
    assert "which recordings?" in desk.ringtrue("run").stderr
    assert desk.ringtrue("run").returncode == 2
    assert desk.ringtrue("run", "no-such-folder").returncode == 2


def test_files_are_transcribed_to_lines_of_json_and_what_is_wrong_with_one_harms_no_other(desk: Desk) -> None:
    good = desk.source / "calls" / "0600000002-1000.wav"
    bad = [desk.source / name for name in ("crc_adsl_2026-11-18.csv", "calls", "no-such-file.wav")]
    done = desk.ringtrue("transcribe", *map(str, bad), str(good), "--json")
    assert done.returncode == 1, done.stderr
    *refused, heard = map(json.loads, done.stdout.splitlines())
    assert [(line["file"], bool(line["error"]), line["words"]) for line in refused] == [
        (str(path), True, []) for path in bad
    ]
    assert (heard["file"], heard["error"], heard["model"]) == (str(good), None, "stub@1")
    assert heard["text"].split() == [word["text"] for word in heard["words"]] != []
    assert heard["words"][-1]["end_ms"] <= heard["duration_ms"]


def test_subtitles_of_several_files_are_files_of_their_own(desk: Desk, tmp_path: Path) -> None:
    again = tmp_path / "again" / "0600000002-1000.wav"
    again.parent.mkdir()
    shutil.copy(desk.source / "calls" / again.name, again)
    recordings = [str(desk.source / "calls" / again.name), str(again)]
    done = desk.ringtrue("transcribe", *recordings, "--format", "srt", "--output-dir", str(tmp_path / "out"))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    first, second = sorted((tmp_path / "out").iterdir())
    assert (first.name, second.name) == ("0600000002-1000-2.srt", "0600000002-1000.srt")
    assert first.read_text(encoding="utf-8") == second.read_text(encoding="utf-8")
    one = desk.ringtrue("transcribe", str(again), "--format", "srt")
    assert (one.returncode, one.stdout) == (0, first.read_text(encoding="utf-8")), one.stderr
    assert one.stdout.startswith("1\n00:00:")


def test_transcribing_files_leaves_the_deployment_of_the_settings_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.json("calls")
    monkeypatch.setenv("RINGTRUE_KAFKA__BOOTSTRAP_SERVERS", "localhost:1")
    monkeypatch.setenv("RINGTRUE_SCHEMA_REGISTRY__URL", "http://localhost:1")
    monkeypatch.setenv("RINGTRUE_DATABASE__URL", "postgresql://localhost:1/nobody")
    done = desk.ringtrue("transcribe", str(desk.source / "calls" / "0600000002-1000.wav"))
    assert done.returncode == 0, done.stderr
    monkeypatch.undo()
    assert desk.json("calls") == before


def test_a_model_that_is_not_there_ends_a_run_with_a_message(desk: Desk) -> None:
    recording = str(desk.source / "calls" / "0600000002-1000.wav")
    done = desk.ringtrue("transcribe", recording, "--engine", "ctc", "--model", "no-such-folder")
    assert done.returncode == 2
    assert "no-such-folder: no such folder" in done.stderr


def test_the_data_folder_may_not_lie_among_the_recordings(desk: Desk) -> None:
    done = Desk(desk.source, desk.source / "data").ringtrue("run", str(desk.source), "--once")
    assert done.returncode == 2
    assert "RINGTRUE_DATA_DIR" in done.stderr


def test_calls_and_orders_are_run_again_and_earlier_verdicts_stay_in_the_history(desk: Desk) -> None:
    calls = desk.json("calls")["calls"]
    assert isinstance(calls, list)
    before = {call["call_id"]: call["result_run"] for call in calls}
    mine, theirs = (next(one for one in before if client in one) for client in ("0600000001", "0600000002"))
    planned = desk.json("reprocess", "--call", mine, "--dry-run")
    assert (planned["calls"], planned["orders"], planned["dry_run"]) == ([mine], ["CMD-1"], True)
    assert desk.json("calls")["calls"] == calls

    assert desk.ringtrue("reprocess", "--call", mine).returncode == 0
    assert desk.ringtrue("reprocess", "--call", theirs, "--from-stage", "classifier").returncode == 0
    assert desk.ringtrue("reprocess", "--order", "CMD-1", "--reason", "to be sure").returncode == 0
    unknown = desk.ringtrue("reprocess", "--order", "CMD-0")
    assert (unknown.returncode, "not known: CMD-0" in unknown.stdout) == (1, True)
    assert desk.ringtrue("reprocess", "--call", mine, "--order", "CMD-1").returncode == 2
    desk.ringtrue("run", str(desk.source), "--once")
    again = desk.json("calls")["calls"]
    assert isinstance(again, list)
    assert {call["state"] for call in again} == {"finished"}
    assert {call["call_id"] for call in again if call["result_run"] > before[call["call_id"]]} == {mine, theirs}
    stories = desk.json("explain", "CMD-1")["orders"]
    assert isinstance(stories, list)
    assert len([past for past in stories[0]["history"] if past["verdict"] == "compliant"]) >= 2
