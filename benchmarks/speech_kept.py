"""How much of what is said reaches speech recognition, and how much is sent needlessly.

    OMP_NUM_THREADS=1 python -m benchmarks.speech_kept [--calls 4] [--seed 1]

Calls are made of French words that espeak-ng speaks one by one, so that the times of each are known to the millisecond:
ringing first, words between the rings and after them, pauses from 30 ms to 6 s, now and then half a minute without any
pause. Each call is heard at several levels, signal-to-noise ratios and through several codecs. A word is *kept* when
one part holds it whole (40 ms at either end aside, where it fades); *cut* when parts hold all of it but none the whole;
else it is *lost*. Audio is *needless* when no word is within half a second of it. *Lost by the detector alone* is the
share of words of which the network hears nothing. Words differ in level by up to 10 dB, so those of one line are told
apart by their own ratio to its noise: what lies below 0 dB lies at the noise floor.

Needs the program espeak-ng (on Debian the package of that name).
"""

import argparse
import platform
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from benchmarks.tables import say, show, table
from examples import synth
from services.ingest.audio.decode import decode
from services.ingest.audio.hearing import Hearing, HearingSettings, hear_many
from services.ingest.audio.speech import SpeechDetector

VOICES = ("fr+m4", "fr+m7", "fr+f3", "fr+f1")
WORDS = (
    "allô", "oui", "non", "bonjour", "madame", "monsieur", "technicien", "installation", "ligne", "demain", "matin",
    "annuler", "commande", "disponible", "rappeler", "adresse", "routeur", "internet", "rendez-vous", "merci",
    "d'accord", "je", "suis", "absent", "pourquoi", "maintenant", "opérateur", "changer", "fibre", "au revoir",
)  # fmt: skip
SPEECH_DBFS = (-12, -40)
SNRS_DB = (40, 20, 10, 5, 0)
CODECS = ("pcm16", "ulaw", "gsm", "opus", "mp3")

#: Lower ends of the bands by which words are told apart: a word's mean power over the noise on its line.
BANDS_DB = ((10.0, "10 dB and more"), (5.0, "5 to 10 dB"), (0.0, "0 to 5 dB"), (-99.0, "below 0 dB"))

#: The mean power against which a line's noise is set, relative to 1: about that of the words when they peak at 0 dBFS.
_MEAN_DB = -17.0
_FADED_DB = -35.0
_TOLERANCE_MS = 40
_NEAR_MS = 500
_SIDE_BY_SIDE = 60


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word: start and end, ms, and its mean power in the call's own scale."""

    start_ms: int
    end_ms: int
    power: float


@dataclass(frozen=True, slots=True)
class Call:
    """A call with what is said in it."""

    sound: synth.Sound
    words: tuple[Word, ...]


@dataclass(slots=True)
class Tally:
    """What became of the words, and of the audio, of some calls."""

    words: int = 0
    cut: int = 0
    lost: int = 0
    unheard: int = 0
    sent_ms: int = 0
    needless_ms: int = 0
    total_ms: int = 0

    def row(self) -> tuple[str, ...]:
        """The figures of a line."""
        shares = (f"{count / self.words:.2%}" for count in (self.lost, self.cut, self.unheard))
        audio = ("", "")
        if self.sent_ms:
            audio = (f"{self.sent_ms / self.total_ms:.0%}", f"{self.needless_ms / self.sent_ms:.1%}")
        return (f"{self.words:,}", f"{self.lost}", *shares, *audio)


def main(calls: int, seed: int) -> None:
    """Prints a table by the words' own signal-to-noise ratio, and by the lines' ratio, level and codec."""
    detector, settings = SpeechDetector(), HearingSettings()
    made = [make_call(seed + number) for number in range(calls)]
    tallies: dict[tuple[str, str], Tally] = {("words", label): Tally() for _, label in BANDS_DB}
    for level in SPEECH_DBFS:
        for snr_db in SNRS_DB:
            lines = [on_a_line(call.sound, level, snr_db, number) for number, call in enumerate(made)]
            heard = [
                (call, codec, decode(synth.encoded(line, codec), codec))
                for call, line in zip(made, lines, strict=True)
                for codec in CODECS
            ]
            for first in range(0, len(heard), _SIDE_BY_SIDE):
                group = heard[first : first + _SIDE_BY_SIDE]
                hearings = hear_many([recording for *_, recording in group], settings, detector)
                for (call, codec, _), hearing in zip(group, hearings, strict=True):
                    keys = (("all", ""), ("line", f"{snr_db} dB"), ("level", f"{level} dBFS"), ("codec", codec))
                    _count(call, hearing, snr_db, tallies, [tallies.setdefault(key, Tally()) for key in keys])
            say(f"{level} dBFS, {snr_db} dB: done")
    kept = table(
        "Words kept",
        f"{calls} calls, each heard in {len(SPEECH_DBFS) * len(SNRS_DB) * len(CODECS)} ways, seed {seed};"
        f" Python {platform.python_version()}",
        ("", ""),
        ("words", "lost", "share", "cut", "lost by the detector alone", "audio sent", "needless of it"),
    )
    for (what, value), tally in tallies.items():
        if tally.words:
            kept.add_row(what, value, *tally.row())
    show(kept)


def _count(
    call: Call, hearing: Hearing, snr_db: float, tallies: dict[tuple[str, str], Tally], lines: Sequence[Tally]
) -> None:
    duration_ms = hearing.heard.duration_ms
    parts = _times([(part.start_ms, part.end_ms) for part in hearing.parts], duration_ms)
    speech = _times(hearing.speech[0], duration_ms)
    near = _times([(max(0, word.start_ms - _NEAR_MS), word.end_ms + _NEAR_MS) for word in call.words], duration_ms)
    for word in call.words:
        own_snr_db = 10 * np.log10(word.power) - _MEAN_DB + snr_db
        band = next(label for least, label in BANDS_DB if own_snr_db >= least)
        first, last = word.start_ms + _TOLERANCE_MS, max(word.end_ms - _TOLERANCE_MS, word.start_ms + _TOLERANCE_MS + 1)
        kept = any(part.start_ms <= first and last <= part.end_ms for part in hearing.parts)
        whole = bool(parts[first:last].all())
        for tally in (*lines, tallies["words", band]):
            tally.words += 1
            tally.unheard += not speech[first:last].any()
            tally.cut += whole and not kept
            tally.lost += not whole
    for tally in lines:
        tally.sent_ms += int(parts.sum())
        tally.needless_ms += int((parts & ~near).sum())
        tally.total_ms += duration_ms


def make_call(seed: int) -> Call:
    """A call of about 90 s."""
    chance = random.Random(seed)
    rings = chance.randrange(0, 4)
    sound = [synth.silence(chance.uniform(0, 800)), synth.ringback(rings, level_dbfs=-15)]
    words = list[Word]()
    if rings and chance.random() < 0.5:  # somebody speaks between the rings
        said = spoken(chance.choice(VOICES), "allô")
        start = len(sound[0]) + round((5.0 * (rings - 1) + 2.5) * synth.RATE_HZ)
        ringing = sound[1].copy()
        at = start - len(sound[0])
        ringing[at : at + len(said)] = said
        sound[1] = ringing
        words.append(_word(start, said))
    length = sum(map(len, sound))
    without_pause_from = chance.uniform(20, 60) * synth.RATE_HZ if chance.random() < 0.5 else np.inf
    while length < 90 * synth.RATE_HZ:
        said = spoken(chance.choice(VOICES), chance.choice(WORDS)) * 10 ** (-chance.uniform(0, 10) / 20)
        hurried = without_pause_from <= length <= without_pause_from + 35 * synth.RATE_HZ
        pause = synth.silence(5 if hurried else 30 * (6_000 / 30) ** chance.random() ** 2)
        words.append(_word(length, said))
        sound += [said, pause]
        length += len(said) + len(pause)
    return Call(np.concatenate([*sound, synth.silence(chance.uniform(0, 3_000))]), tuple(words))


def on_a_line(sound: synth.Sound, level_dbfs: float, snr_db: float, seed: int) -> synth.Sound:
    """The call with its speech's peaks at that level, under noise so far below the words' usual power."""
    return 10 ** (level_dbfs / 20) * sound + synth.noise(len(sound) / 8, level_dbfs + _MEAN_DB - snr_db, seed)


@cache
def spoken(voice: str, word: str) -> synth.Sound:
    """A word at 8 kHz, from its first to its last sound, peaks at 0 dBFS."""
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", word]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    # The header of a stream holds no true length, so the samples are read past it.
    rate_hz = int.from_bytes(data[24:28], "little")
    sound = np.frombuffer(data[44:], "<i2").astype(np.float64)
    divisor = gcd(synth.RATE_HZ, rate_hz)
    sound = resample_poly(sound, synth.RATE_HZ // divisor, rate_hz // divisor)
    sound /= np.abs(sound).max()
    loud = np.flatnonzero(np.abs(sound) > 10 ** (_FADED_DB / 20))
    return np.asarray(sound[loud[0] : loud[-1] + 1])


def _word(start: int, said: synth.Sound) -> Word:
    return Word(start // 8, (start + len(said)) // 8, float(np.mean(said**2)))


def _times(regions: Sequence[tuple[int, int]], duration_ms: int) -> npt.NDArray[np.bool_]:
    """Which milliseconds the regions hold."""
    times = np.zeros(duration_ms, np.bool_)
    for start, end in regions:
        times[start:end] = True
    return times


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How much of what is said reaches speech recognition.")
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.calls, arguments.seed)
