"""What `ringtrue inspect` prints: what ingest hears in a recording, without any log or server."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from ringtrue.console import news, output
from ringtrue.files import read_file
from ringtrue.settings import Settings
from services.ingest.audio.decode import DecodeLimits, Undecodable
from services.ingest.audio.decoder_process import DecoderPool
from services.ingest.audio.hearing import Hearing, HearingSettings, hear_many
from services.ingest.audio.speech import SpeechDetector

#: Files that are decoded and heard side by side.
_SIDE_BY_SIDE = 16


def inspect_files(files: Sequence[Path], settings: Settings, *, as_lines: bool) -> bool:
    """Prints what is heard in each file; whether one could not be decoded."""
    hearing = HearingSettings(country=settings.country)
    limits = DecodeLimits(max_seconds=settings.ingest.max_hours * 3600)
    detector = SpeechDetector()
    failed = False
    with DecoderPool(settings.ingest.decoders, limits) as pool:
        for start in range(0, len(files), _SIDE_BY_SIDE):
            paths = files[start : start + _SIDE_BY_SIDE]
            answers = pool.decode_many([(str(path), read_file(path)) for path in paths])
            heard = iter(hear_many([one for one in answers if not isinstance(one, Undecodable)], hearing, detector))
            for path, answer in zip(paths, answers, strict=True):
                if isinstance(answer, Undecodable):
                    failed = True
                    _refuse(path, answer, as_line=as_lines)
                else:
                    _show(path, next(heard), as_line=as_lines)
    return failed


def document(path: Path, hearing: Hearing) -> dict[str, Any]:
    """What was heard, as JSON."""
    parts = [
        {name: value for name, value in asdict(part).items() if name != "flac"} | {"bytes": len(part.flac)}
        for part in hearing.parts
    ]
    return {"file": str(path), **asdict(hearing.heard), "speech": hearing.speech, "segments": parts, "error": None}


def _refuse(path: Path, problem: Undecodable, *, as_line: bool) -> None:
    if as_line:
        typer.echo(json.dumps({"file": str(path), "error": problem.reason, "message": problem.message}))
    else:
        news().print(f"[red]{escape(problem.message)}[/]", highlight=False, soft_wrap=True)


def _show(path: Path, hearing: Hearing, *, as_line: bool) -> None:
    if as_line:
        typer.echo(json.dumps(document(path, hearing), ensure_ascii=False))
        return
    heard = hearing.heard
    console = output()
    console.print(
        f"[bold]{escape(str(path))}[/]: {heard.codec}, {heard.rate_hz} Hz, {heard.channels} channel(s), "
        f"{heard.duration_ms / 1000:.1f} s"
    )
    voicemail = {True: "a voicemail tone after them", False: "no voicemail tone", None: "voicemail tone not known"}
    count = "unknown" if heard.ring_count is None else str(heard.ring_count)
    console.print(
        f"  {count} rings (confidence {heard.ring_confidence}), {voicemail[heard.voicemail_tone]}; "
        f"{heard.speech_ms / 1000:.1f} s of speech; {len(hearing.parts)} segments"
    )
    for warning in heard.warnings:
        console.print(f"  [yellow]{escape(warning)}[/]")
    table = Table(box=None, pad_edge=True)
    for heading in ("from s", "to s", "what", "detail"):
        table.add_column(heading, justify="right" if heading.endswith("s") else "left")
    rows: list[tuple[int, int, str, str]] = [
        *((r.start_ms, r.end_ms, "ring", f"{r.frequency_hz:.0f} Hz, {r.confidence:.2f}") for r in heard.rings),
        *((t.start_ms, t.end_ms, t.kind, "tone") for t in heard.tones),
        *(
            (start, end, "speech", f"channel {channel}")
            for channel, regions in enumerate(hearing.speech)
            for start, end in regions
        ),
    ]
    for start, end, what, detail in sorted(rows):
        table.add_row(f"{start / 1000:.2f}", f"{end / 1000:.2f}", what, detail)
    console.print(table)
