"""Subtitles: what players and editors can read, in rows that people can."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringtrue.cli.subtitles import LONGEST_MS, PAUSE_MS, ROW_CHARACTERS, cues, subtitles
from ringtrue.messages import Word

TIME = r"(\d\d+):([0-5]\d):([0-5]\d)%s(\d{3})"


@dataclass(frozen=True)
class Shown:
    """A cue as a player reads it."""

    start_ms: int
    end_ms: int
    rows: tuple[str, ...]
    voice: str = ""


def read_srt(text: str) -> list[Shown]:
    """Reads SubRip as strictly as the strictest: numbers from 1, one empty line between cues, none within."""
    if not text:
        return []
    assert text.endswith("\n")
    shown = []
    for expected, block in enumerate(text.removesuffix("\n").split("\n\n"), start=1):
        number, times, *rows = block.split("\n")
        assert number == str(expected)
        assert rows
        assert all(rows)
        shown.append(Shown(*_times(times, ","), tuple(rows)))
    return shown


def read_vtt(text: str) -> list[Shown]:
    """Reads WebVTT as its specification writes it: a header, cues by start, references for what would be markup."""
    header, *blocks = text.removesuffix("\n").split("\n\n")
    assert header == "WEBVTT"
    shown = []
    for block in blocks:
        times, *rows = block.split("\n")
        payload = "\n".join(rows)
        voice = re.match(r"<v ([^<>&\n]+)>", payload)
        said = payload[voice.end() :] if voice else payload
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", said)
        assert said
        assert all(said.split("\n"))
        shown.append(Shown(*_times(times, "."), tuple(unescape(said).split("\n")), voice[1] if voice else ""))
    assert [cue.start_ms for cue in shown] == sorted(cue.start_ms for cue in shown)
    return shown


def _times(line: str, mark: str) -> tuple[int, int]:
    clock = TIME % re.escape(mark)
    match = re.fullmatch(f"{clock} --> {clock}", line)
    assert match, line
    h1, m1, s1, f1, h2, m2, s2, f2 = map(int, match.groups())
    return ((h1 * 60 + m1) * 60 + s1) * 1000 + f1, ((h2 * 60 + m2) * 60 + s2) * 1000 + f2


def word(text: str, start_ms: int, end_ms: int, channel: int = 0) -> Word:
    return Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=1.0, channel=channel)


def spoken(text: str, *, at_ms: int = 0, each_ms: int = 200, gap_ms: int = 0, channel: int = 0) -> list[Word]:
    """A text at an even pace."""
    step = each_ms + gap_ms
    return [word(said, at_ms + n * step, at_ms + n * step + each_ms, channel) for n, said in enumerate(text.split())]


def rows(words: Sequence[Word]) -> list[tuple[str, ...]]:
    return [cue.rows for cue in cues(words)]


def test_a_pause_ends_a_cue_and_a_shorter_silence_does_not() -> None:
    first = spoken("allô oui")
    assert rows([*first, *spoken("bonjour", at_ms=400 + PAUSE_MS - 1)]) == [("allô oui bonjour",)]
    assert rows([*first, *spoken("bonjour", at_ms=400 + PAUSE_MS)]) == [("allô oui",), ("bonjour",)]


def test_the_times_are_those_of_the_first_and_the_last_word() -> None:
    (cue,) = cues([word("allô", 3_723_004, 3_723_300), word("oui", 3_723_400, 3_723_999)])
    assert (cue.start_ms, cue.end_ms) == (3_723_004, 3_723_999)
    assert subtitles([word("oui", 3_723_004, 3_723_999)], "srt") == "1\n01:02:03,004 --> 01:02:03,999\noui\n"
    assert subtitles([word("oui", 3_723_004, 3_723_999)], "vtt") == "WEBVTT\n\n01:02:03.004 --> 01:02:03.999\noui\n"


def test_two_rows_are_as_even_as_can_be() -> None:
    assert rows(spoken("bonjour madame je vous appelle pour la ligne de téléphone")) == [
        ("bonjour madame je vous appelle", "pour la ligne de téléphone")
    ]


def test_a_cue_that_is_full_ends_after_a_sentence() -> None:
    said = "je vous appelle pour la ligne de la maison. vous êtes chez vous demain matin ou bien vous partez avant midi"
    first, *_ = rows(spoken(said, each_ms=100))
    assert " ".join(first).endswith("maison.")


def test_a_cue_that_is_full_ends_at_the_longest_silence_of_its_second_half() -> None:
    said = spoken("un deux trois quatre cinq six sept huit", each_ms=400, gap_ms=400)
    late = [
        word(one.text, one.start_ms + (200 if n > 4 else 0), one.end_ms + (200 if n > 4 else 0))
        for n, one in enumerate(said)
    ]
    assert [" ".join(cue) for cue in rows(late)] == ["un deux trois quatre cinq", "six sept huit"]


def test_a_word_that_is_longer_than_a_row_is_broken_hard() -> None:
    assert rows([word("a" * 100, 0, 1000)]) == [("a" * 42, "a" * 42), ("a" * 16,)]


def test_a_word_that_never_ends_is_not_shown_for_longer_than_a_cue() -> None:
    (cue,) = cues([word("oui", 1000, 60_000)])
    assert (cue.start_ms, cue.end_ms) == (1000, 1000 + LONGEST_MS)


def test_channels_are_never_mixed_and_webvtt_names_them() -> None:
    words = sorted(
        [*spoken("allô oui"), *spoken("bonjour monsieur", at_ms=100, channel=1)], key=lambda one: one.start_ms
    )
    assert read_vtt(subtitles(words, "vtt")) == [
        Shown(0, 400, ("allô oui",), "Channel 0"),
        Shown(100, 500, ("bonjour monsieur",), "Channel 1"),
    ]
    assert [cue.rows for cue in read_srt(subtitles(words, "srt"))] == [("allô oui",), ("bonjour monsieur",)]


def test_one_channel_alone_is_not_named() -> None:
    assert "<v" not in subtitles(spoken("allô oui", channel=1), "vtt")


def test_what_would_be_markup_is_escaped_in_webvtt_only() -> None:
    said = spoken("<i> & -->")
    assert "&lt;i&gt; &amp; --&gt;" in subtitles(said, "vtt")
    assert read_vtt(subtitles(said, "vtt"))[0].rows == read_srt(subtitles(said, "srt"))[0].rows == ("<i> & -->",)


def test_no_word_breaks_the_form_of_the_file() -> None:
    said = [word("un\n\n2", 0, 100), word(" \x1b[31m ", 200, 300), word("\u2028", 300, 400), word("", 400, 500)]
    assert [cue.rows for cue in read_srt(subtitles(said, "srt"))] == [("un 2 [31m",)]


@pytest.mark.parametrize(("form", "empty"), [("srt", ""), ("vtt", "WEBVTT\n")])
def test_a_recording_without_words_has_no_cues(form: str, empty: str) -> None:
    assert subtitles([], "srt" if form == "srt" else "vtt") == empty


_TEXT = st.text(alphabet="abé<&>.\n 1", min_size=0, max_size=60)
_WORD = st.builds(
    lambda text, start, length, channel: word(text, start, start + length, channel),
    _TEXT,
    st.integers(0, 30_000),
    st.integers(0, 8_000),
    st.integers(0, 2),
)


@given(st.lists(_WORD, max_size=40))
def test_whatever_was_heard_every_cue_can_be_read_and_every_letter_is_there(words: list[Word]) -> None:
    made = cues(words)
    srt, vtt = read_srt(subtitles(words, "srt")), read_vtt(subtitles(words, "vtt"))
    assert [(cue.start_ms, cue.end_ms, cue.rows) for cue in srt] == [(c.start_ms, c.end_ms, c.rows) for c in made]
    assert [(cue.start_ms, cue.end_ms, cue.rows) for cue in vtt] == [(c.start_ms, c.end_ms, c.rows) for c in made]
    for cue in made:
        assert 1 <= len(cue.rows) <= 2
        assert all(1 <= len(row) <= ROW_CHARACTERS for row in cue.rows)
        assert 0 < cue.end_ms - cue.start_ms <= LONGEST_MS
    for channel in range(3):
        of_channel = [cue for cue in made if cue.channel == channel]
        assert all(one.end_ms <= other.start_ms for one, other in pairwise(of_channel))
        heard = sorted((one for one in words if one.channel == channel), key=lambda one: one.start_ms)
        assert _letters("".join(one.text for one in heard)) == _letters(
            "".join(row for cue in of_channel for row in cue.rows)
        )


def _letters(text: str) -> str:
    return "".join(text.split())
