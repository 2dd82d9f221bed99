"""Interim."""

from dataclasses import dataclass

SAME_AUDIO = 0.85


@dataclass(frozen=True, slots=True)
class Match:
    """x."""

    similarity: float
    offset_ms: int
    compared_ms: int
    start_ms: int
    other_start_ms: int


def compare(a: bytes, b: bytes) -> Match | None:
    """x."""
    return Match(1.0, 0, 10_000, 0, 0) if a == b else None
