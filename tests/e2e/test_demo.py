"""The main job as a newcomer sees it: `ringtrue demo` on the shipped samples, with the real demo model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ringtrue.resources import resource


@pytest.mark.slow
def test_the_demo_prints_one_document_with_the_verdicts_that_the_samples_were_made_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ringtrue", "demo", "--json"],
        env=os.environ | {"RINGTRUE_DATA_DIR": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    document = json.loads(done.stdout)
    expected = yaml.safe_load(resource("examples/expected.yaml").read_text(encoding="utf-8"))
    assert {order["order"]: order["verdict"] for order in document["orders"]} == {
        number: order["verdict"] for number, order in expected["orders"].items()
    }
    evidence = [piece for order in document["orders"] for finding in order["findings"] for piece in finding["evidence"]]
    assert {"call_id", "start_ms", "end_ms"} <= evidence[0].keys()
    assert any(piece["start_ms"] is not None for piece in evidence)
    # These samples are made of one sound each, and one was hung up while it rang: from the recording to the warning.
    assert {
        order["order"]: [odd["rule"] for odd in order["warnings"]] for order in document["orders"] if order["warnings"]
    } == {
        "CMD-240001": ["same_audio"],
        "CMD-240002": ["same_audio"],
        "CMD-240003": ["early_hang_up"],
        "VUL-530011": ["same_audio"],
    }
    hashes = ("rules_hash", "layouts_hash", "models_hash", "inputs_hash")
    assert all(len(order[name]) == 16 for order in document["orders"] for name in hashes)
    assert len(document["failed"]) == 4
    reports = {path.name for path in (tmp_path / "demo" / "reports").iterdir()}
    layouts = ("ACQUISITION_ADSL", "ACQUISITION_VULA", "SAV_ADSL", "SAV_VULA")
    assert {f"{layout}_2026-11-18.{suffix}" for layout in layouts for suffix in ("csv", "xlsx")} <= reports
    assert "refuse" in (tmp_path / "demo/transcripts/recordings/calls/2026/11/18/ivr-000110.txt").read_text()
