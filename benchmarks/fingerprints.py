"""How well recordings are known again by their fingerprints, how often different ones are mixed up, and what it costs.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.fingerprints [--calls 60] [--ringing 1000] [--seed 1]

Three tables. *The same recording*: calls (ringing alone; ringing and an operator's announcement; ringing and talk) are
encoded once as 16 bit and once in another way, and both are compared. *Different recordings*: every pair of calls of
one kind; most are made equally long, because what is not is never compared. *Costs*.

Needs the program espeak-ng (on Debian the package of that name).
"""

import argparse
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
from rich.table import Table
from scipy.signal import resample_poly

from benchmarks.rings import voices
from benchmarks.rings.codecs import encoded
from benchmarks.speech_kept import VOICES, WORDS, spoken
from benchmarks.tables import say, show, table
from examples import synth
from examples.make import BUCKET, INJOIGNABLE, LATE, MESSAGERIE, OPERATOR, sample_calls
from examples.make import say as said
from ringtrue.fingerprint import SAME_AUDIO_SIMILARITY, compare
from services.ingest.audio.decode import decode
from services.ingest.audio.fingerprint import fingerprint
from services.ingest.audio.resample import resampled
from services.ingest.audio.spectrum import ANALYSIS_RATE_HZ
from services.ingest.audio.tone_plans import tone_plan

Random = np.random.Generator

#: How long a phone is left to ring, and the length of what is made equally long, s.
RINGING_S, EQUAL_S = (8.0, 40.0), 25.0
#: Of talk, s.
SPEECH_S = (5, 10, 20)
SPEECH = Path(voices.__file__).parent / "speech"
_LINE_DBFS = -55.0
_TRIMMED_MS, _PADDED_MS = 75, 225


def main(calls: int, ringing: int, seed: int) -> None:
    """Prints the tables."""
    random = np.random.default_rng(seed)
    of = f"seed {seed}; Python {platform.python_version()}, numpy {np.__version__}"
    makers = (_only_ringing, _announced, _talk)
    sounds = [makers[number % len(makers)](random) for number in range(calls)]
    show(_same(sounds, f"{calls} calls; {of}"))
    show(_different(_kinds(random, calls, ringing), of))
    show(_costs(sounds, of))


def ways() -> Mapping[str, Callable[[synth.Sound], bytes]]:
    """What may be done to a recording, by name."""

    def through(codec: str) -> Callable[[synth.Sound], bytes]:
        return lambda sound: encoded(sound[:, None], codec)

    def noisy(snr_db: float, codec: str) -> Callable[[synth.Sound], bytes]:
        return lambda sound: through(codec)(np.clip(synth.with_noise(sound, snr_db, 1), -1, 1))

    def again(*codecs: str) -> Callable[[synth.Sound], bytes]:
        def chained(sound: synth.Sound) -> bytes:
            for codec in codecs[:-1]:
                sound = decode(through(codec)(sound), codec).channels[0] / 32_768
            return through(codecs[-1])(sound)

        return chained

    return {
        "WAV, mu-law": through("ulaw"),
        "WAV, A-law": through("alaw"),
        "WAV, GSM 6.10": through("gsm"),
        "Ogg Opus 12 kb/s": through("opus_12k"),
        "Ogg Vorbis": lambda sound: synth.encoded(sound, "vorbis"),
        "MP3 16 kb/s": through("mp3_16k"),
        "AMR 12.2 kb/s": through("amr_12k"),
        "MP3 twice": again("mp3_16k", "mp3_16k"),
        "GSM, then Opus, then MP3": again("gsm", "opus_12k", "mp3_16k"),
        "16 kHz, FLAC": lambda sound: synth.encoded(resample_poly(sound, 2, 1), "flac", 16_000),
        "16 kHz, MP3": lambda sound: synth.encoded(resample_poly(sound, 2, 1), "mp3", 16_000),
        "20 dB softer, mu-law": lambda sound: through("ulaw")(sound / 10),
        "10 dB louder and clipped": lambda sound: through("pcm16")(np.clip(3.2 * sound, -1, 1)),
        "noise at 20 dB, mu-law": noisy(20, "ulaw"),
        "noise at 20 dB, MP3": noisy(20, "mp3_16k"),
        "noise at 15 dB, mu-law": noisy(15, "ulaw"),
        "noise at 10 dB, mu-law": noisy(10, "ulaw"),
        "5 % of packets lost": lambda sound: through("ulaw")(sound * _kept(len(sound))),
        f"{_PADDED_MS} ms put before": lambda sound: through("ulaw")(np.append(synth.silence(_PADDED_MS), sound)),
        f"{_TRIMMED_MS} ms cut off before": lambda sound: through("ulaw")(sound[8 * _TRIMMED_MS :]),
    }


def print_of(file: bytes) -> bytes:
    """The fingerprint of a file."""
    recording = decode(file, "call")
    channels = [resampled(channel, recording.rate_hz, ANALYSIS_RATE_HZ) for channel in recording.channels]
    made = fingerprint(channels, recording.duration_ms)
    assert made, "there is sound in it"
    return made


def _same(sounds: Sequence[synth.Sound], caption: str) -> Table:
    made = table(
        "The same recording", caption, ("how",), ("calls", "least similarity", "median", "greatest", "known again")
    )
    originals = [print_of(encoded(sound[:, None], "pcm16")) for sound in sounds]
    for name, encode in ways().items():
        matches = [compare(one, print_of(encode(sound)), 0) for one, sound in zip(originals, sounds, strict=True)]
        found = [match.similarity if match else 0.0 for match in matches]
        known = sum(similarity >= SAME_AUDIO_SIMILARITY for similarity in found)
        made.add_row(name, f"{len(found)}", *_spread(found), f"{known}")
        say(f"{name}: done")
    return made


def _different(kinds: Mapping[str, Sequence[bytes]], caption: str) -> Table:
    made = table(
        "Different recordings",
        caption,
        ("what",),
        ("pairs", "compared", "least similarity", "median", "greatest", "taken for the same", "share"),
    )
    for name, prints in kinds.items():
        pairs = list(combinations(prints, 2))
        found = [match.similarity for pair in pairs if (match := compare(*pair, 0))]
        mixed_up = sum(similarity >= SAME_AUDIO_SIMILARITY for similarity in found)
        share = f"{mixed_up / len(pairs):.2%}"
        made.add_row(name, f"{len(pairs):,}", f"{len(found):,}", *_spread(found), f"{mixed_up:,}", share)
        say(f"{name}: done")
    return made


def _kinds(random: Random, calls: int, ringing: int) -> dict[str, list[bytes]]:
    """Fingerprints of different recordings, by kind."""
    fifth = max(2, ringing // 5)
    made = {
        "only ringing": [_only_ringing(random) for _ in range(ringing)],
        "only ringing, noise at 15 dB": [synth.with_noise(_only_ringing(random), 15, n) for n in range(fifth)],
        "only ringing, from the first ring on": [_only_ringing(random, begun_ms=0.0) for _ in range(fifth)],
        "only ringing, all 25 s": [_only_ringing(random, seconds=EQUAL_S) for _ in range(fifth)],
        "one announcement after ringing": [_announced(random, INJOIGNABLE) for _ in range(fifth)],
        "one announcement, all 25 s": [_long(_announced(random, INJOIGNABLE), EQUAL_S) for _ in range(fifth)],
    }
    for seconds in SPEECH_S:
        said_by_one = [_long(_words(random, VOICES[0], seconds), seconds) for _ in range(3 * calls)]
        made[f"words of one voice, all {seconds} s"] = said_by_one
    made[f"recorded talk, all {SPEECH_S[0]} s"] = _recorded(SPEECH_S[0])
    kinds = {name: [_print(sound, random) for sound in sounds] for name, sounds in made.items()}
    # Some of the sample calls were made of one sound: one of each.
    files = {path.name: path for root in (BUCKET, LATE) for path in root.rglob("*")}
    by_sound = {sample.sound.tobytes(): files[sample.name] for sample in sample_calls()}
    kinds["sample calls"] = [print_of(path.read_bytes()) for path in by_sound.values()]
    return kinds


def _costs(sounds: Sequence[synth.Sound], caption: str) -> Table:
    made = table("Costs", f"one core, CPU time; {caption}", ("what",), ("",))
    channels = [np.rint(np.clip(sound, -1, 1) * 32_767).astype(np.int16) for sound in sounds]
    minutes = sum(map(len, channels)) / ANALYSIS_RATE_HZ / 60
    start = time.process_time()
    prints = [fingerprint([channel], len(channel) // 8) or b"" for channel in channels]
    spent = time.process_time() - start
    made.add_row("make, a minute of sound", f"{spent / minutes * 1e3:.1f} ms ({minutes * 60 / spent:,.0f} x real time)")
    made.add_row("size, a minute of sound", f"{sum(map(len, prints)) / minutes:,.0f} bytes")
    talk = voices.speech(120_000, -6, np.random.default_rng(1))
    longest = print_of(encoded(talk[:, None], "pcm16"))
    made.add_row("size, two minutes of unbroken talk", f"{len(longest):,} bytes")
    others = [print_of(encoded(talk[:, None], codec)) for codec in ("ulaw", "alaw", "gsm")]
    start = time.process_time()
    for other in others * 100:
        compare(longest, other)
    made.add_row("compare, two minutes", f"{(time.process_time() - start) / len(others) * 1e4:,.0f} µs")
    start = time.process_time()
    pairs = list(combinations(prints, 2))
    for pair in pairs:
        compare(*pair)
    made.add_row("compare, any two calls", f"{(time.process_time() - start) / len(pairs) * 1e6:,.0f} µs")
    return made


def _only_ringing(random: Random, begun_ms: float | None = None, seconds: float | None = None) -> synth.Sound:
    """Ringing that is recorded from anywhere in the cadence on, until it is hung up."""
    cadence = tone_plan("MA").ring.cadences_ms[0]
    begun = random.uniform(0, sum(cadence)) if begun_ms is None else begun_ms
    length = random.uniform(*RINGING_S) if seconds is None else seconds
    sound = synth.ringback(int((begun / 1_000 + length) * 1_000 / sum(cadence)) + 1, level_dbfs=random.uniform(-25, -5))
    return _on_a_line(sound[round(begun * 8) :][: round(length * ANALYSIS_RATE_HZ)], random)


def _announced(random: Random, text: str = MESSAGERIE) -> synth.Sound:
    """Ringing from anywhere in the cadence on, an announcement, and a while until it is hung up."""
    ringing = _only_ringing(random, seconds=random.uniform(1, 15))
    announcement = said(text, OPERATOR) * 10 ** (random.uniform(-10, 0) / 20)
    return _on_a_line(np.concatenate([ringing, announcement, synth.silence(random.uniform(200, 3_000))]), random)


def _talk(random: Random) -> synth.Sound:
    """Ringing, then people who speak in turn."""
    parts = [_only_ringing(random, seconds=random.uniform(3, 15))]
    for _ in range(int(random.integers(2, 8))):
        parts += [voices.speech(random.uniform(500, 4_000), random.uniform(-18, -4), random)]
        parts += [synth.silence(random.uniform(100, 900))]
    return _on_a_line(np.concatenate(parts), random)


def _words(random: Random, voice: str, seconds: float) -> synth.Sound:
    parts, length = list[synth.Sound](), 0
    while length < seconds * ANALYSIS_RATE_HZ:
        parts += [spoken(voice, WORDS[random.integers(len(WORDS))]), synth.silence(random.uniform(20, 300))]
        length += len(parts[-2]) + len(parts[-1])
    return np.concatenate(parts) / 2


def _recorded(seconds: int) -> list[synth.Sound]:
    """The benchmark's recordings cut into pieces so long."""
    length = seconds * ANALYSIS_RATE_HZ
    recordings = [soundfile.read(path)[0] for path in sorted(SPEECH.glob("*.flac"))]
    return [sound[at : at + length] for sound in recordings for at in range(0, len(sound) - length + 1, length)]


def _long(sound: synth.Sound, seconds: float) -> synth.Sound:
    """Made so long: cut off, or silence put behind."""
    length = round(seconds * ANALYSIS_RATE_HZ)
    return np.pad(sound[:length], (0, max(0, length - len(sound))))


def _on_a_line(sound: synth.Sound, random: Random) -> synth.Sound:
    return sound + synth.noise(len(sound) / 8, _LINE_DBFS, int(random.integers(2**31)))[: len(sound)]


def _kept(count: int) -> synth.Sound:
    packet = 20 * ANALYSIS_RATE_HZ // 1_000
    kept = np.random.default_rng(1).random(-(-count // packet)) >= 0.05
    return np.repeat(kept, packet)[:count].astype(np.float64)


def _print(sound: synth.Sound, random: Random) -> bytes:
    """Of the sound by one of the codecs: different calls come by different ones."""
    codec = str(random.choice(["pcm16", "ulaw", "alaw", "gsm"]))
    return print_of(encoded(np.clip(sound, -1, 1)[:, None], codec))


def _spread(values: Sequence[float]) -> list[str]:
    return [f"{value:.2f}" for value in (min(values), median(values), max(values))] if values else ["", "", ""]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How well recordings are known again by their fingerprints.")
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--ringing", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.calls, arguments.ringing, arguments.seed)
