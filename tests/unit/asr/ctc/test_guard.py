"""The guard counts positions where the second best token would make another text, and only those."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.asr.ctc.guard import Threshold, margins

BLANK, A, B, C = 0, 3, 4, 5


def margin(best: list[int], others: Sequence[object], distances: Sequence[object]) -> float:
    """The margin of one segment, of one other token at each position, or of several."""
    of_tokens, of_distances = (np.array(one).reshape(len(best), -1) for one in (others, distances))
    return float(margins(np.array(best), of_tokens, of_distances.astype(np.float32), [len(best)], BLANK)[0])


def text(tokens: list[int]) -> list[int]:
    return [t for i, t in enumerate(tokens) if t != BLANK and (i == 0 or tokens[i - 1] != t)]


def test_a_doubt_between_a_letter_and_silence_beside_the_same_letter_changes_nothing() -> None:
    assert margin([A, A, BLANK], [C, BLANK, A], [9, 0.01, 9]) == 9
    assert margin([A, A, BLANK], [C, BLANK, A], [9, 9, 0.02]) == 9
    assert margin([A, A, BLANK], [C, BLANK, A], [9, 0.01, 0.02]) == np.float32(0.02)  # both at once part two letters


def test_a_doubt_between_two_letters_counts() -> None:
    assert margin([BLANK, A, BLANK], [A, B, B], [5, 0.25, 5]) == 0.25


def test_a_silence_between_equal_letters_counts_because_it_parts_them() -> None:
    assert margin([A, BLANK, A], [A, A, A], [9, 0.5, 9]) == 0.5


def test_neighbours_in_doubt_count_by_the_farther_one_even_if_each_alone_would_change_nothing() -> None:
    best, second = [A, A, B, B], [B, B, A, A]
    assert margin(best, second, [9.0, 0.25, 9.0, 9.0]) == 9.0
    assert margin(best, second, [9.0, 0.25, 0.5, 9.0]) == 0.5


def test_a_third_token_counts_where_the_second_would_change_nothing() -> None:
    assert margin([A, A, BLANK], [[B, C], [BLANK, B], [A, B]], [[9, 9], [0.25, 0.5], [9, 9]]) == 0.5


def test_an_overflow_is_no_margin_at_all() -> None:
    assert margin([A, BLANK], [B, A], [float("nan"), 1.0]) == 0.0


def test_segments_are_apart_and_an_empty_one_hangs_on_nothing() -> None:
    least = margins(
        np.array([A, A, B]), np.array([[B], [BLANK], [BLANK]]), np.array([[1], [2], [3]], np.float32), [1, 0, 2], BLANK
    )
    assert least.tolist() == [1.0, np.inf, 2.0]
    nothing = np.zeros((0, 2))
    assert margins(np.array([], int), nothing.astype(int), nothing.astype(np.float32), [0], BLANK)[0] == np.inf


@given(st.lists(st.tuples(st.sampled_from([BLANK, A, B]), st.sampled_from([BLANK, A, B])), min_size=1, max_size=12))
def test_a_position_counts_exactly_when_the_second_token_there_makes_another_text(pairs: list[tuple[int, int]]) -> None:
    best, second = [b for b, _ in pairs], [s for _, s in pairs]
    changed = [text([*best[:i], second[i], *best[i + 1 :]]) != text(best) for i in range(len(best))]
    for index, changes in enumerate(changed):
        alone = [0.5 if i == index else 9.0 for i in range(len(best))]
        found = margin(best, second, alone)
        assert (found == 0.5) == changes


def test_the_threshold_follows_the_greatest_error_and_never_what_is_no_number() -> None:
    threshold = Threshold(0.05)
    for error in (0.01, 0.1, 0.04, float("nan"), float("inf")):
        threshold.learn(error)
    assert threshold.margin == 0.2
    off = Threshold(0.0)
    off.learn(1.0)
    assert off.margin == 0.0
