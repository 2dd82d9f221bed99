"""Files to findings: decoded in children with limits, heard over the cores, given in the order in which they came.

The files are divided into groups; a process takes a group, decodes file by file in a child of its own, and hears about
an hour of sound at a time, so that neither many files nor long ones fill the memory. Pictures and excerpts are written
there too, because they need the sound, which goes no further.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from ringtrue.errors import Away, WrongUse
from services.ingest.audio.decode import DecodeLimits, Recording, Undecodable
from services.ingest.audio.decoder_process import DecoderPool
from services.ingest.audio.hearing import HearingSettings, hear_many
from services.ingest.audio.speech import SpeechDetector
from services.ingest.inspection.finding import Finding, Unusable, finding

#: Less than this is heard sooner than further processes start (two seconds): 4 minutes of uncompressed telephone audio.
_QUICK_BYTES = 2_000_000
#: A child takes half a second to start: so many files are worth it, and the first answers do not wait for too many.
_MOST_IN_GROUP = 32
#: Sound that is heard side by side, as in `services.ingest.segment`.
_BATCH_MS = 3_600_000
#: An hour of uncompressed telephone audio in stereo is 58 MB.
_MOST_BYTES = 500_000_000
_EXCERPT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One file, and what is to be written of it: a picture, and the ten seconds around `listen_at_s`."""

    path: Path
    plot: Path | None = None
    listen_at_s: float | None = None
    excerpt: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one file. `written` are the files that were made of it, `complaint` why one was not."""

    result: Finding | Unusable
    written: tuple[Path, ...] = ()
    complaint: str = ""


def read_files(asked: Sequence[Asked], hearing: HearingSettings, limits: DecodeLimits) -> Iterator[Answer]:
    """An answer for each file, in their order, each as soon as those before it are there.

    Raises:
        Away: A process that reads files died.
    """
    cores = len(os.sched_getaffinity(0))
    read = partial(_read_group, hearing=hearing, limits=limits)
    if (
        cores == 1
        or len(asked) == 1
        or sum(one.path.stat().st_size for one in asked if one.path.is_file()) < _QUICK_BYTES
    ):
        yield from read(asked)
        return
    count = min(_MOST_IN_GROUP, -(-len(asked) // cores))
    groups = [asked[start : start + count] for start in range(0, len(asked), count)]
    with ProcessPoolExecutor(min(cores, len(groups)), multiprocessing.get_context("spawn")) as processes:
        try:
            for answers in processes.map(read, groups):
                yield from answers
        except BrokenProcessPool as death:
            raise Away("a process that hears recordings died, perhaps for want of memory: try fewer files") from death


def _read_group(asked: Sequence[Asked], hearing: HearingSettings, limits: DecodeLimits) -> list[Answer]:
    answers: list[Answer] = []
    batch: list[tuple[Asked, Recording | Unusable]] = []
    detector = SpeechDetector()
    with DecoderPool(1, limits) as pool:
        for one in asked:
            batch.append((one, _decoded(one.path, pool)))
            if sum(sound.duration_ms for _, sound in batch if isinstance(sound, Recording)) > _BATCH_MS:
                answers += _hear(batch, hearing, detector)
                batch = []
    return answers + _hear(batch, hearing, detector)


def _decoded(path: Path, pool: DecoderPool) -> Recording | Unusable:
    file = str(path)
    if not path.exists():
        return Unusable(file, "not_found", f"{file}: there is no such file.")
    if not path.is_file():
        return Unusable(file, "not_a_file", f"{file}: it is no file. Name the recordings one by one.")
    if path.stat().st_size > _MOST_BYTES:
        return Unusable(file, "too_large", f"{file}: it has more than {_MOST_BYTES // 1_000_000} MB. Split it.")
    try:
        path.open("rb").close()
    except OSError as error:
        return Unusable(file, "unreadable", f"{file}: it cannot be read ({error.strerror}).")
    (answer,) = pool.decode_many([(file, path)])
    return Unusable(file, answer.reason, answer.message) if isinstance(answer, Undecodable) else answer


def _hear(
    batch: Sequence[tuple[Asked, Recording | Unusable]], settings: HearingSettings, detector: SpeechDetector
) -> list[Answer]:
    recordings = [sound for _, sound in batch if isinstance(sound, Recording)]
    hearings = iter(hear_many(recordings, settings, detector))
    answers: list[Answer] = []
    for asked, sound in batch:
        if isinstance(sound, Unusable):
            answers.append(Answer(sound))
        else:
            answers.append(_written(asked, sound, finding(str(asked.path), next(hearings))))
    return answers


def _written(asked: Asked, recording: Recording, found: Finding) -> Answer:
    """Writes what is to be written of a file."""
    written: list[Path] = []
    try:
        if asked.plot is not None:
            from services.ingest.inspection.picture import draw  # matplotlib is an extra, and takes a second to import

            draw(found, recording, asked.plot)
            written.append(asked.plot)
        if asked.excerpt is not None and asked.listen_at_s is not None:
            write_excerpt(recording, asked.listen_at_s, asked.excerpt)
            written.append(asked.excerpt)
    except (OSError, WrongUse) as error:
        return Answer(found, tuple(written), f"{found.file}: {error}")
    return Answer(found, tuple(written))


def write_excerpt(recording: Recording, at_s: float, path: Path) -> None:
    """Writes the ten seconds around a second of a recording as a WAV file with all its channels.

    Raises:
        WrongUse: The recording ends before that second.
        OSError: The file cannot be written.
    """
    at_ms = round(at_s * 1000)
    if at_ms >= recording.duration_ms:
        raise WrongUse(f"there is no second {at_s:g}, it lasts {recording.duration_ms / 1000:.1f} s")
    per_ms = recording.rate_hz // 1000
    start, end = max(0, at_ms - _EXCERPT_MS // 2) * per_ms, (at_ms + _EXCERPT_MS // 2) * per_ms
    samples = np.stack([channel[start:end] for channel in recording.channels], axis=1)
    try:
        soundfile.write(path, samples, recording.rate_hz, format="WAV", subtype="PCM_16")
    except soundfile.LibsndfileError as error:
        raise OSError(f"{path} cannot be written: {error.error_string}") from error
