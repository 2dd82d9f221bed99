"""A small folder of calls, sidecars and a manifest, made of tones: what a run of all stages works on."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from examples.synth import noise, ringback

RATE_HZ = 8000
HEADINGS = (
    "inwib2c_order__c;inwib2c_degroupage_num__c;date_commande;date_last_status;numero_de_contact;"
    "statut_de_degroupage_iam;statut_commande;nd;city"
)
#: Client, and when each of his calls began: the first never reached, the second spoken to.
CALLS = {"0600000001": ("09:00", "11:30", "14:00"), "0600000002": ("10:00", "12:30")}


def make_folder(folder: Path) -> Path:
    """Five calls of two clients, a text that is named like a recording, and a manifest with one row that is refused."""
    for client, starts in CALLS.items():
        for start in starts:
            stem = folder / "calls" / f"{client}-{start.replace(':', '')}"
            stem.parent.mkdir(parents=True, exist_ok=True)
            sound = ringback(5, rate_hz=RATE_HZ)
            if client == "0600000002":
                sound = np.concatenate([sound, voice(6.0)])
            soundfile.write(stem.with_suffix(".wav"), sound, RATE_HZ, subtype="ALAW")
            sidecar = {
                "NUMERO_CLIENT": client,
                "NUMERO_TECHNICIEN": "0700000001",
                "DATE_DEBUT": f"2026-11-18 {start}:00",
                "BRANCHE": "ADSL_INSTALL",
            }
            stem.with_suffix(".json").write_text(json.dumps(sidecar))
    (folder / "calls" / "0600000003_20261118-101500.wav").write_text("this is no recording\n")
    rows = [
        HEADINGS,
        *(
            f"CMD-{client[-1]};W1;2026-11-18 08:00:00;2026-11-18 18:00:00;{client};client injoignable;suspendue;;Rabat"
            for client in CALLS
        ),
        "CMD-9;W9;2026-11-18 08:00:00;2026-11-18 18:00:00;06;client injoignable;suspendue;;Rabat",
    ]
    (folder / "crc_adsl_2026-11-18.csv").write_text("\n".join(rows) + "\n")
    return folder


def voice(seconds: float) -> npt.NDArray[np.float64]:
    """A sound in which a recogniser may look for words: not a tone, and above the noise floor."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    harmonics = [np.sin(2 * np.pi * 130 * k * time_s) / k for k in range(1, 20)]
    loud: npt.NDArray[np.float64] = 0.1 * np.sum(harmonics, axis=0) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * time_s))
    return loud + noise(seconds * 1000, -50.0, seed=1)
