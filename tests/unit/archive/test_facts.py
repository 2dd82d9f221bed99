"""Facts of calls as they leave the database, and the judge who reads them again."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from ringtrue.cli.app import command_line
from ringtrue.database import open_database, reading, upgrade
from ringtrue.messages import Answer, CallClassified, CallRegistered, Tone
from ringtrue.results.facts import find_facts
from services.compliance.facts import facts_of
from services.compliance.facts_file import read_facts
from services.compliance.known_calls import KnownCalls
from services.compliance.verdict import Knowledge, evaluate
from tests.unit.archive import made
from tests.unit.archive.made import at, classified, failed, heard, registered, store, transcribed
from tests.unit.compliance.cases import RULES

CLIENT, ZONE = made.CLIENT, made.ZONE
ORDER = made.order(window_start_ms=at("2026-11-18 08:00"), ordered_at_ms=at("2026-11-18 08:00"))


def a_call(name: str, clock: str | None, outcome: int = 0, **changes: object) -> tuple[CallRegistered, CallClassified]:
    start = None if clock is None else at(f"2026-11-18 {clock}")
    values = {"started_at_ms": start, "ended_at_ms": None, "client_number": CLIENT, "external_id": None}
    call = registered(f"recordings/{name}", **{**values, "branch": "ADSL_INSTALL"})
    return call, classified(f"recordings/{name}", outcome, **changes)


def no_result(name: str, clock: str, **changes: object) -> tuple[CallRegistered, None]:
    return registered(
        f"recordings/{name}", started_at_ms=at(f"2026-11-18 {clock}"), client_number=CLIENT, **changes
    ), None


GOOD = [a_call("a", "09:00"), a_call("b", "11:00:00.250"), a_call("c", "13:00:01", 3)]
LAST = "15:30"


@pytest.mark.parametrize(
    "calls",
    [
        GOOD,
        GOOD[:2],
        [],
        [*GOOD, a_call("d", LAST, 1)],
        [*GOOD, a_call("d", LAST, status="partial")],
        [*GOOD, a_call("d", LAST, 9)],
        [*GOOD, a_call("d", None)],
        [*GOOD, a_call("d", None, 4)],
        [*GOOD[:2], a_call("d", LAST, heard=heard(4))],
        [*GOOD[:2], a_call("d", LAST, heard=heard(4, ring_confidence=0.5))],
        [*GOOD[:2], a_call("d", LAST, heard=heard(None, voicemail_tone=None))],
        [*GOOD[:2], a_call("d", LAST, heard=heard(0, voicemail_tone=True))],
        [*GOOD[:2], a_call("d", LAST, behaviour=0)],
        [*GOOD, no_result("d", LAST, status="failed")],
        [*GOOD, (GOOD[0][0], failed("recordings/a"))],
        [*GOOD[:2], a_call("d", LAST, heard=heard(1, duration_ms=4_000))],
        [*GOOD, no_result("d", LAST, external_id="X1"), no_result("e", LAST, external_id="X1")],
        [
            (
                registered("recordings/x", external_id="X", started_at_ms=at("2026-11-18 07:00")),
                classified("recordings/x"),
            )
        ],
    ],
)
def test_judging_by_exported_facts_is_judging_by_the_services(
    calls: list[tuple[CallRegistered, CallClassified | None]], engine: sa.Engine, tmp_path: Path
) -> None:
    calls = list({call.call_id: (call, result) for call, result in calls}.values())
    store(engine, *(message for pair in calls for message in pair if message is not None))
    with reading(engine) as connection:
        lines = list(find_facts(connection, ZONE))
    path = tmp_path / "facts.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    known = KnownCalls({CLIENT})
    assert list(read_facts(path, known, ZONE)) == []
    original = evaluate(ORDER, [facts_of(*pair, CLIENT, 0) for pair in calls], Knowledge(), RULES, "fr")
    again = evaluate(ORDER, known.of(CLIENT), Knowledge(), RULES, "fr")
    assert again.verdict == original.verdict
    assert again.comment == original.comment
    assert [(one.rule, one.result, one.reason) for one in again.findings] == [
        (one.rule, one.result, one.reason) for one in original.findings
    ]
    assert again.models_hash == original.models_hash
    assert again.warnings == original.warnings


def test_a_line_says_all_that_is_known(engine: sa.Engine) -> None:
    call = registered(
        external_id="X1",
        started_at_ms=at("2026-11-18 09:00"),
        ended_at_ms=at("2026-11-18 09:00:31"),
        arrived_at_ms=at("2026-11-18 09:01"),
    )
    sav = Answer(outcome=6, score=0.9, cited=())
    sound = heard(tones=(Tone(kind="busy", start_ms=21_000, end_ms=23_000),), fingerprint=b"\x01\x02")
    store(engine, call, transcribed(text="allô oui"), classified(outcome=2, sav=sav, heard=sound))
    with reading(engine) as connection:
        (line,) = find_facts(connection, ZONE)
    assert line == {
        "call_id": "recordings/a",
        "external_id": "X1",
        "client_number": CLIENT,
        "technician": call.agent_number,
        "started_at": "2026-11-18T09:00:00+01:00",
        "ended_at": "2026-11-18T09:00:31+01:00",
        "branch": "ADSL_INSTALL",
        "status": "ok",
        "outcomes": {"ACQUISITION": 2, "SAV": 6},
        "behaviour": 1,
        "ring_count": 5,
        "ring_confidence": 0.97,
        "voicemail_tone": False,
        "transcript": "allô oui",
        "arrived_at": "2026-11-18T09:01:00+01:00",
        "duration_ms": 30_500,
        "rings": [[1000, 2500]],
        "busy_tone": True,
        "fingerprint": "AQI=",
        "models": "embedded 1; asr m1",
    }


@pytest.mark.parametrize(("status", "said"), [("complete", "tant\npis"), ("partial", "tant\npis"), ("failed", None)])
def test_what_is_known_of_a_transcript_is_told_unless_the_call_failed(
    engine: sa.Engine, status: str, said: str | None
) -> None:
    store(engine, registered(), transcribed(text="tant\npis", status=status), classified(status=status))
    with reading(engine) as connection:
        (line,) = find_facts(connection, ZONE)
    assert line["transcript"] == said


def test_the_transcript_of_another_run_than_was_classified_is_not_told(engine: sa.Engine) -> None:
    store(engine, registered(), transcribed(run=2), classified())
    with reading(engine) as connection:
        (line,) = find_facts(connection, ZONE)
    assert line["transcript"] is None


def test_the_command_exports_every_call_by_client_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGTRUE_DATA_DIR", str(tmp_path))
    engine = open_database(f"sqlite:///{tmp_path / 'results.sqlite'}")
    upgrade(engine)
    store(engine, *(registered(f"recordings/{number:03}", client_number=CLIENT) for number in range(150)))
    store(
        engine, registered("recordings/a", client_number="212600000000"), registered("recordings/b", client_number=None)
    )
    engine.dispose()

    def exported(*options: str) -> list[str]:
        result = CliRunner().invoke(command_line("calls"), ["calls", "--facts", *options])
        assert (result.exit_code, result.stderr) == (0, "")
        return [json.loads(line)["call_id"].removeprefix("recordings/") for line in result.stdout.splitlines()]

    assert exported() == ["a", *(f"{number:03}" for number in range(150)), "b"]
    assert exported("--unassigned") == ["b"]
    assert exported("--limit", "2") == ["a", "000"]
