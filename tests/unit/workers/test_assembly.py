"""Joining parts: each word once, whether it was heard once or twice, and each speaker on a line of their own."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ringtrue.messages import SegmentTranscribed, Word
from services.assembler.assembly import language_of, margin_of, text_of, words_of

Timed = tuple[str, int, int]


def part(
    index: int, span: tuple[int, int], words: Sequence[Timed], *, overlap_ms: int = 0, channel: int = 0, ok: bool = True
) -> SegmentTranscribed:
    return SegmentTranscribed(
        call_id="recordings/a",
        run=1,
        index=index,
        total=9,
        channel=channel,
        start_ms=span[0],
        end_ms=span[1],
        overlap_ms=overlap_ms,
        status="ok" if ok else "failed",
        words=tuple(
            Word(text=text, start_ms=start, end_ms=end, confidence=1.0, channel=channel) for text, start, end in words
        ),
        model="m",
        model_revision="1",
        event_time_ms=0,
    )


def joined(*parts: SegmentTranscribed) -> str:
    return text_of(words_of(parts), parts)


def test_parts_that_do_not_overlap_follow_each_other_whatever_their_order() -> None:
    first = part(0, (0, 1000), [("oui", 100, 300)])
    second = part(1, (1000, 2000), [("oui", 1100, 1300), ("demain", 1400, 1800)])
    assert joined(second, first) == "oui oui demain"


def test_words_heard_twice_in_an_overlap_stand_once() -> None:
    first = part(0, (0, 2000), [("je", 200, 400), ("passe", 1500, 1700), ("de", 1900, 2000)])
    second = part(1, (1500, 4000), [("passe", 1520, 1710), ("demain", 1900, 2400)], overlap_ms=500)
    assert joined(first, second) == "je passe demain"


def test_hearings_that_do_not_agree_are_joined_in_the_middle_of_the_overlap() -> None:
    first = part(0, (0, 2000), [("allô", 200, 400), ("bien", 1550, 1650), ("tard", 1850, 2000)])
    second = part(1, (1500, 4000), [("rien", 1550, 1650), ("demain", 1850, 2400)], overlap_ms=500)
    assert joined(first, second) == "allô bien demain"


def test_a_word_that_is_said_again_and_again_is_kept_as_often_as_it_was_said() -> None:
    first = part(0, (0, 2000), [("allô", 1000, 1300), ("allô", 1500, 1700), ("allô", 1800, 1950)])
    second = part(1, (1500, 4000), [("allô", 1510, 1720), ("allô", 1805, 1960), ("allô", 2100, 2300)], overlap_ms=500)
    assert joined(first, second) == "allô allô allô allô"


def test_the_same_word_at_another_moment_is_no_agreement() -> None:
    first = part(0, (0, 2000), [("oui", 1510, 1600), ("bonjour", 1620, 1740)])
    second = part(1, (1500, 4000), [("madame", 1760, 1850), ("oui", 1860, 1990)], overlap_ms=500)
    assert joined(first, second) == "oui bonjour madame oui"


def test_nothing_is_left_out_of_an_overlap_whose_other_hearing_failed() -> None:
    first = part(0, (0, 2000), [], ok=False)
    second = part(1, (1500, 4000), [("allô", 1510, 1600), ("oui", 2000, 2300)], overlap_ms=500)
    assert joined(first, second) == "allô oui"
    assert joined(second) == "allô oui"


def test_each_turn_of_a_stereo_call_stands_on_a_line_of_its_own() -> None:
    client = part(0, (0, 4000), [("allô", 100, 300), ("oui", 1500, 1600)], channel=0)
    agent = part(1, (0, 4000), [("bonjour", 500, 800), ("madame", 900, 1200), ("merci", 2000, 2300)], channel=1)
    assert joined(agent, client) == "allô\nbonjour madame\noui\nmerci"


def test_what_stands_before_and_after_a_missing_part_stands_on_lines_of_its_own() -> None:
    before = part(0, (0, 1000), [("tant", 600, 900)])
    missing = replace(part(1, (0, 0), [], ok=False), channel=0)
    after = part(2, (2000, 3000), [("pis", 2100, 2300)])
    touching = part(3, (3000, 4000), [("alors", 3010, 3200)])
    assert joined(before, missing, after, touching) == "tant\npis alors"
    assert joined(before, after, touching) == "tant pis alors"


def test_a_missing_part_of_one_channel_parts_the_words_of_that_channel() -> None:
    client = [part(0, (0, 1000), [("tant", 600, 900)]), part(2, (2000, 3000), [("pis", 2100, 2300)])]
    agent = part(3, (0, 3000), [("non", 2400, 2500), ("non", 2600, 2700)], channel=1)
    assert joined(*client, part(1, (0, 0), [], ok=False), agent) == "tant\npis\nnon non"


def test_channels_do_not_overlap_each_other() -> None:
    client = part(0, (0, 2000), [("oui", 1600, 1700)], channel=0)
    agent = part(1, (1500, 4000), [("oui", 1600, 1700)], overlap_ms=0, channel=1)
    assert joined(client, agent) == "oui\noui"


@st.composite
def said_words(draw: st.DrawFn) -> list[Timed]:
    """Words one after the other over some seconds, often the same ones."""
    words, at_ms = list[Timed](), 0
    for _ in range(draw(st.integers(0, 12))):
        at_ms += draw(st.integers(0, 400))
        length_ms = draw(st.integers(20, 600))
        words.append((draw(st.sampled_from(["allô", "oui", "non"])), at_ms, at_ms + length_ms))
        at_ms += length_ms
    return words


@given(said_words(), st.integers(200, 4000), st.integers(0, 1500))
def test_two_hearings_that_overlap_give_what_was_said(words: list[Timed], cut_ms: int, overlap_ms: int) -> None:
    start_ms = max(0, cut_ms - overlap_ms)
    whole = [word for word in words if word[2] <= cut_ms or word[1] >= start_ms]  # the rest is heard by neither
    first = part(0, (0, cut_ms), [word for word in whole if word[2] <= cut_ms])
    second = part(1, (start_ms, 9_999), [word for word in whole if word[1] >= start_ms], overlap_ms=cut_ms - start_ms)
    heard = [(word.text, word.start_ms, word.end_ms) for word in words_of([second, first])]
    assert heard == whole


def spoken(index: int, words: int, language: str | None = None, margin: float | None = None) -> SegmentTranscribed:
    said = [("oui", 1000 * index + 10 * n, 1000 * index + 10 * n + 5) for n in range(words)]
    return replace(part(index, (1000 * index, 1000 * index + 1000), said), language=language, margin=margin)


def test_the_language_is_that_of_the_part_with_the_most_words() -> None:
    assert language_of([spoken(0, 1, "fr"), spoken(1, 5, "ar"), spoken(2, 4, "fr")]) == "ar"
    assert language_of([spoken(0, 2), spoken(1, 1, "fr")]) == "fr"


def test_the_first_of_parts_that_have_as_many_words_tells_the_language() -> None:
    parts = [spoken(0, 2, "fr"), spoken(1, 2, "ar")]
    assert language_of(parts) == language_of(parts[::-1]) == "fr"


def test_a_part_in_which_nothing_was_said_tells_no_language() -> None:
    assert language_of([spoken(0, 0, "en")]) is None
    assert language_of([]) is None


def test_a_call_is_as_sure_as_its_least_sure_part() -> None:
    assert margin_of([spoken(0, 1, margin=2.0), spoken(1, 1), spoken(2, 1, margin=0.0)]) == 0.0
    assert margin_of([spoken(0, 1)]) is None
