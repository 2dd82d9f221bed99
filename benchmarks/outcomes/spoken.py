"""French texts spoken by a synthesiser over a telephone line, and what the shipped speech recognition hears of them.

The voices are espeak-ng's, those that the demo model was never trained on; each text has its own voice, speed and pitch
by its id. What `ringtrue transcribe` prints is taken, so that the whole path is measured: rings and tones, cutting,
recognition, assembly. Sounds are kept under a hash of what made them, transcripts under a hash of the path's code and
model, too: a change of either makes them again.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.signal import butter, resample_poly, sosfilt

from benchmarks.outcomes.corpus import Case
from examples.synth import RATE_HZ, Sound, encoded, noise, silence
from ringtrue.errors import Misconfigured
from ringtrue.messages import Word
from ringtrue.resources import resource
from services.classifier.engine import Transcript

ROOT = Path(__file__).parents[2]
#: Change it with anything below that changes how texts sound.
_RECIPE = "1"
#: As in models/train/corpus.py: never trained on.
_VOICES = ("f2", "f5", "m3", "m5", "klatt3", "steph3", "Andrea", "Michael", "Hugo")
_ACCENTS = ("fr", "fr", "fr-be", "fr-ch")
_WORDS_PER_MINUTE, _PITCHES = (130, 190), (30, 70)
_BAND_HZ = (300.0, 3_400.0)
_SPEECH_DBFS, _LINE_NOISE_DBFS = -6.0, -55.0
#: Before and after what is said; all there is of a text that says nothing.
_PAUSE_MS = 700
#: What the path from sound to text is made of.
_PATH = ("services/ingest", "services/asr", "services/assembler", "models/demo")
#: Recordings that one run of `ringtrue transcribe` is given.
_TOGETHER = 100


class _Heard(BaseModel):
    """A line of `ringtrue transcribe --json`."""

    words: tuple[Word, ...]
    error: str | None = None


def check_installed() -> None:
    """Raises Misconfigured where espeak-ng is not installed."""
    if shutil.which("espeak-ng") is None:
        raise Misconfigured(
            "--through-asr needs the program espeak-ng (the Debian package of that name), which is not there"
        )


def transcribed(cases: Sequence[Case], folder: Path, tell: Callable[[str], None]) -> list[Transcript | None]:
    """What is heard of each text when it is spoken; None where the recording could not be transcribed.

    Args:
        cases: The texts, in French.
        folder: Where sounds and transcripts are kept.
        tell: Is told how far it is.
    """
    audio, heard = folder / "audio", folder / "heard" / _path_version()
    audio.mkdir(parents=True, exist_ok=True)
    heard.mkdir(parents=True, exist_ok=True)
    keys = [_key(case) for case in cases]
    missing = [key for key in dict.fromkeys(keys) if not (heard / f"{key}.json").exists()]
    by_key = dict(zip(keys, cases, strict=True))
    for start in range(0, len(missing), _TOGETHER):
        some = [_spoken(by_key[key], audio / f"{key}.wav") for key in missing[start : start + _TOGETHER]]
        for path, line in zip(some, _transcribe(some), strict=True):
            (heard / f"{path.stem}.json").write_bytes(line)
        tell(f"{start + len(some)} of {len(missing)} recordings transcribed")
    return [_transcript((heard / f"{key}.json").read_bytes()) for key in keys]


def speak(text: str, seed: str) -> Sound:
    """A text over a telephone line, at `RATE_HZ`; the line alone where there is nothing to say."""
    drawn = random.Random(seed)
    voice = f"{drawn.choice(_ACCENTS)}+{drawn.choice(_VOICES)}"
    speed, pitch = drawn.randint(*_WORDS_PER_MINUTE), drawn.randint(*_PITCHES)
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", "--", text]
    made = subprocess.run(command, capture_output=True, check=True).stdout if text.strip() else b""
    sound = silence(_PAUSE_MS)
    if made:
        # The header of a stream holds no true length, so the samples are read past it.
        samples = np.frombuffer(made[44 : 44 + (len(made) - 44) // 2 * 2], "<i2").astype(np.float64)
        spoken_hz = int.from_bytes(made[24:28], "little")
        shared = gcd(RATE_HZ, spoken_hz)
        voiced = sosfilt(
            butter(4, _BAND_HZ, "bandpass", fs=RATE_HZ, output="sos"),
            resample_poly(samples, RATE_HZ // shared, spoken_hz // shared),
        )
        sound = np.concatenate([sound, voiced / max(np.abs(voiced).max(initial=0.0), 1e-9) * _gain(_SPEECH_DBFS)])
    sound = np.concatenate([sound, silence(_PAUSE_MS)])
    return np.asarray(sound + noise(len(sound) * 1000 / RATE_HZ, _LINE_NOISE_DBFS, drawn.getrandbits(32)))


def _spoken(case: Case, path: Path) -> Path:
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(encoded(speak(case.text, case.id), "ulaw"))
        part.rename(path)
    return path


def _transcribe(recordings: Sequence[Path]) -> list[bytes]:
    """The lines of JSON that the command prints for recordings, with the shipped model and no setting of ours."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RINGTRUE_")}
    command = [sys.executable, "-m", "ringtrue", "transcribe", "--json", *map(str, recordings)]
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, check=False)
    lines = done.stdout.splitlines()
    if len(lines) != len(recordings):
        raise Misconfigured(f"ringtrue transcribe ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return lines


def _transcript(line: bytes) -> Transcript | None:
    heard = _Heard.model_validate_json(line)
    return None if heard.error is not None and not heard.words else Transcript(heard.words)


def _key(case: Case) -> str:
    made_of: list[Any] = [_RECIPE, case.id, case.text]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:20]


def _path_version() -> str:
    digest = hashlib.sha256()
    for name in _PATH:
        for path in sorted(path for path in resource(name).rglob("*") if path.is_file()):
            if "__pycache__" not in path.parts:
                digest.update(path.name.encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _gain(dbfs: float) -> float:
    return float(10 ** (dbfs / 20))
