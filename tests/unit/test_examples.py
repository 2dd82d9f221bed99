"""The sample calls hold what they are said to hold, and their facts give the verdicts that `expected.yaml` names."""

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from examples import make
from ringtrue.manifests.layouts import load_layouts
from ringtrue.manifests.manifest import Manifest, read_manifest
from ringtrue.messages import Answer, CallFacts, Order
from ringtrue.resources import resource
from services.compliance.ruleset import load_ruleset
from services.compliance.verdict import Knowledge, evaluate
from services.ingest.audio.decode import Undecodable, decode
from services.ingest.audio.tone_plans import tone_plan
from services.ingest.audio.tones import find_tones
from services.ingest.metadata import CallMetadata, file_name_pattern, from_key, merge, read_sidecar
from services.ingest.objects import classify

EXAMPLES = resource("examples")
BUCKET, LATE = EXAMPLES / "bucket", EXAMPLES / "late"
EXPECTED: dict[str, Any] = yaml.safe_load((EXAMPLES / "expected.yaml").read_text(encoding="utf-8"))
MANIFESTS = ("CRC_ADSL_2026-11-18.csv", "crc_vula_2026-11-18.csv", "SAV_2026-11-18.xlsx")
CASABLANCA = ZoneInfo("Africa/Casablanca")


def keys(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@cache
def manifests() -> dict[str, Manifest]:
    return {
        name: read_manifest((BUCKET / "manifests" / name).read_bytes(), name, load_layouts(), CASABLANCA)
        for name in MANIFESTS
    }


def orders() -> dict[str, Order]:
    return {one.order.number: one.order for read in manifests().values() for one in read.orders}


def metadata(key: str) -> CallMetadata:
    """A call's metadata once everything has arrived."""
    sidecars = [path for root in (BUCKET, LATE) if (path := (root / key).with_suffix(".json")).exists()]
    sources = {str(path): read_sidecar(path.read_bytes()) for path in sidecars}
    merged = merge({**sources, "file name": from_key(key, file_name_pattern())}, CASABLANCA)
    assert merged.warnings == ()
    return merged.metadata


def facts(key: str) -> CallFacts:
    """What the pipeline should know of a call in the end."""
    known = metadata(key)
    intended = EXPECTED["calls"].get(key)
    answer = intended and Answer(outcome=intended["outcome"], score=1.0, cited=())
    sav = answer and replace(answer, outcome=intended.get("sav_outcome", answer.outcome))
    return CallFacts(
        call_id=f"bucket/{classify(key)[1]}",
        client_number=str(known.client_number),
        run=1,
        revision=1,
        retracted=False,
        final=True,
        status="complete" if intended else "failed",
        started_at_ms=known.started_at_ms,
        branch=known.branch,
        acquisition=answer,
        sav=sav,
        behaviour=1 if intended else None,
        ring_count=intended and intended["rings"],
        voicemail_tone=False if intended else None,
        rings=(),
        event_time_ms=0,
    )


def test_every_object_is_accounted_for() -> None:
    recordings = {key for key in keys(BUCKET) if classify(key)[0] == "audio"}
    assert recordings == {*EXPECTED["calls"], *EXPECTED["failed_calls"]}
    assert {key for key in keys(BUCKET) if classify(key)[0] == "unknown"} == set(EXPECTED["refused_objects"])
    assert {key for key in keys(BUCKET) if classify(key)[0] == "manifest"} == {
        f"manifests/{name}" for name in MANIFESTS
    }


def test_they_are_small_enough_to_ship() -> None:
    assert sum((root / key).stat().st_size for root in (BUCKET, LATE) for key in keys(root)) < 4_000_000


def test_a_late_sidecar_belongs_to_a_recording_that_waits_for_it() -> None:
    [late] = keys(LATE)
    assert late not in keys(BUCKET)
    kind, stem = classify(late)
    assert kind == "sidecar"
    assert stem in {classify(key)[1] for key in EXPECTED["calls"]}


def test_the_manifests_hold_the_orders_the_bad_row_and_the_skipped_one() -> None:
    assert set(orders()) == set(EXPECTED["orders"])
    rejected = {name: {one.row: one.column for one in read.rejected} for name, read in manifests().items()}
    assert {name: rows for name, rows in rejected.items() if rows} == EXPECTED["rejected_rows"]
    skipped = {name: [one.row for one in read.skipped] for name, read in manifests().items()}
    assert {name: rows for name, rows in skipped.items() if rows} == EXPECTED["skipped_rows"]


def test_the_manifests_show_every_layout_and_the_free_text_of_comments() -> None:
    assert {(order.kind, order.category) for order in orders().values()} == {
        (kind, category) for kind in ("ACQUISITION", "SAV") for category in ("ADSL", "VULA")
    }
    told = {number: (order.client_number, order.name) for number, order in orders().items() if order.kind == "SAV"}
    assert told == {
        "SAV-880013": ("212600000013", "Samira Tahiri"),
        "SAV-880014": ("212600000014", "Rachid Fassi"),
    }


@pytest.mark.parametrize("number", EXPECTED["orders"])
def test_the_facts_of_the_calls_give_the_intended_verdict(number: str) -> None:
    expected = EXPECTED["orders"][number]
    order = orders()[number]
    calls = [facts(key) for key in (*EXPECTED["calls"], *EXPECTED["failed_calls"])]
    mine = [call for call in calls if call.client_number == order.client_number]
    evaluation = evaluate(order, mine, Knowledge(), load_ruleset("Africa/Casablanca"), "fr")
    findings = {found.rule: found for found in evaluation.findings if found.rule in expected["findings"]}
    assert {rule: found.result for rule, found in findings.items()} == expected["findings"]
    assert {rule: found.reason for rule, found in findings.items() if found.reason} == expected.get("reasons", {})
    assert evaluation.verdict == expected["verdict"]


@pytest.mark.parametrize("key", EXPECTED["calls"])
def test_as_many_rings_are_heard_as_are_in_a_call(key: str) -> None:
    recording = decode((BUCKET / key).read_bytes(), key)
    assert recording.warnings == ()
    heard = [find_tones(channel, recording.rate_hz, tone_plan("MA")) for channel in recording.channels]
    assert max(tones.ring_count for tones in heard) == EXPECTED["calls"][key]["rings"]


@pytest.mark.parametrize(("key", "reason"), EXPECTED["failed_calls"].items())
def test_a_damaged_recording_fails_with_its_reason(key: str, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode((BUCKET / key).read_bytes(), key)
    assert caught.value.reason == reason


def test_only_words_are_said_that_the_demo_model_was_taught() -> None:
    path = resource("models") / "train" / "sentences.py"
    spec = importlib.util.spec_from_file_location("sentences", path)
    assert spec is not None
    assert spec.loader is not None
    sentences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sentences)
    turns = (*make.REFUSAL, *make.CANCELLATION, *make.POSTPONEMENT, *make.ABSENCE)
    said = {word for _, text in turns for word in sentences.label(text).split()}
    said |= {word for text in (make.MESSAGERIE, make.INJOIGNABLE) for word in sentences.label(text).split()}
    assert said <= set(sentences.vocabulary())
