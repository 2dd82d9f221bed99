"""The synthetic calls that benchmarks run on, and what a run over a folder of them costs."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import soundfile

from examples.synth import ringback

RATE_HZ = 8000
CALLS_PER_CLIENT = 3
DAY = datetime(2026, 11, 18)  # noqa: DTZ001 - local time of the operator, as in sidecars
HEADINGS = (
    "inwib2c_order__c;inwib2c_degroupage_num__c;date_commande;date_last_status;numero_de_contact;"
    "statut_de_degroupage_iam;statut_commande;nd;city"
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: CPU time of its process and all below.
    """

    seconds: float
    cpu_seconds: float


def make_calls(folder: Path, calls: int) -> None:
    """Recordings with sidecars, and a manifest with an order for each client."""
    folder.mkdir()
    sound = folder / ".sound.wav"
    soundfile.write(sound, recording(), RATE_HZ, subtype="ULAW")
    rows = [HEADINGS]
    for number in range(calls):
        client, attempt = divmod(number, CALLS_PER_CLIENT)
        stem = folder / f"{client // 1000:03d}" / f"call-{number:06d}"
        stem.parent.mkdir(exist_ok=True)
        os.link(sound, stem.with_suffix(".wav"))
        started = DAY + timedelta(hours=9 + 2.5 * attempt)
        stem.with_suffix(".json").write_text(sidecar(f"C{number}", f"06{client:08d}", started))
        if attempt == 0:
            rows.append(order(f"ORD-{client}", f"06{client:08d}"))
    (folder / "CRC_ADSL_2026-11-18.csv").write_text("\n".join(rows) + "\n")


def sidecar(call_id: str, client: str, started: datetime, seconds: int = 40) -> str:
    """What stands beside a recording."""
    return json.dumps(
        {
            "CALL_ID": call_id,
            "NUMERO_CLIENT": client,
            "NUMERO_TECHNICIEN": "0700000001",
            "DATE_DEBUT": f"{started:%Y-%m-%d %H:%M:%S}",
            "DATE_FIN": f"{started + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}",
            "BRANCHE": "ADSL_INSTALL",
        }
    )


def order(number: str, client: str) -> str:
    """A manifest's row: a client who could not be reached all day."""
    window = f"{DAY:%Y-%m-%d} 08:00:00;{DAY:%Y-%m-%d} 18:00:00"
    return f"{number};W{number};{window};{client};client injoignable;suspendue;;Rabat"


def recording() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Five rings, then eight seconds of a sound in which a recogniser may look for words."""
    rng = np.random.default_rng(1)
    time_s = np.arange(8 * RATE_HZ) / RATE_HZ
    harmonics = [np.sin(2 * np.pi * 130 * k * time_s) / k for k in range(1, 20)]
    voice = np.sum(harmonics, axis=0) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * time_s))
    sound = np.concatenate([ringback(5, rate_hz=RATE_HZ), voice * 0.1])
    return (sound + rng.normal(0, 1e-3, len(sound))).astype(np.float32)


def run_once(source: Path, environment: Mapping[str, str]) -> Usage:
    """What `ringtrue run SOURCE --once` takes. A run that fails ends this program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ringtrue", "run", str(source), "--once"],
        env=environment,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"the run over {source.name} ended with {done.returncode}:\n{done.stderr.decode()[-2000:]}")
    return Usage(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
