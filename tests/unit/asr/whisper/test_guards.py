"""What is believed, what is drawn, where audio is cut, and when a word is said: without a model."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import WhisperTokenizer
from transformers.models.whisper.generation_whisper import _dynamic_time_warping

from services.asr.whisper import guards
from services.asr.whisper.decoder import Draw
from services.asr.whisper.engine import WhisperEngine
from services.asr.whisper.guards import Reading, believed, repetition
from services.asr.whisper.windows import holds_sound, windows
from services.asr.whisper.words import alignment, begins, words_of
from tests.unit.asr.whisper import tiny

LOOP = "merci d'avoir regardé cette vidéo " * 9


def reading(text: str = "oui bonjour", logprob: float = -0.3, no_speech: float = 0.0, **values: Any) -> Reading:
    settings: dict[str, Any] = {
        "tokens": (),
        "probabilities": np.zeros(0, np.float32),
        "alignment": np.zeros((1, 1), np.float32),
    }
    return Reading(text=text, logprob=logprob, no_speech=no_speech, **(settings | values))


def test_a_sure_text_is_believed_at_once() -> None:
    sure = reading()
    assert sure.settled
    assert believed([sure]) is sure


def test_no_speech_is_believed_only_where_the_text_is_unsure() -> None:
    assert believed([reading(logprob=-1.5, no_speech=0.7)]) == "no speech"
    assert isinstance(believed([reading(logprob=-0.9, no_speech=0.99)]), Reading)


def test_a_loop_gives_way_to_a_text_at_a_higher_temperature() -> None:
    tried = [reading(LOOP), reading("merci")]
    assert [one.settled for one in tried] == [False, True]
    assert believed(tried) is tried[1]


def test_a_loop_at_every_temperature_is_never_reported() -> None:
    assert believed([reading(LOOP)] * 6) == "repetition"


def test_of_unsure_texts_the_likeliest_is_taken_and_never_a_loop() -> None:
    tried = [reading(LOOP, -0.1), *(reading(str(value), value) for value in (-1.4, -1.2, -3.0)), reading("", np.nan)]
    assert not any(one.settled for one in tried)
    assert believed(tried) is tried[2]


def test_repetition_is_the_same_in_any_script() -> None:
    latin = "salam labas bghit nhder m3a chi wahed 3la lfatura dyal chhr"
    arabic = latin.translate({ord(letter): 0x620 + index for index, letter in enumerate(dict.fromkeys(latin))})
    assert repetition(arabic) == pytest.approx(repetition(latin), rel=0.05)
    assert repetition(LOOP) > guards.MOST_REPETITION > repetition(latin)
    assert repetition("") == 0


def test_draws_follow_the_probabilities_at_their_temperature() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0, -torch.inf]]).repeat(4_000, 1)
    draw = Draw(0.5, range(4_000), torch.device("cpu"))
    drawn = draw(torch.zeros(4_000, 1), scores).argmax(dim=1)
    expected = (scores[0] / 0.5).softmax(dim=0)
    assert torch.allclose(torch.bincount(drawn, minlength=4) / 4_000, expected, atol=0.02)


def test_a_draw_is_the_same_in_any_company() -> None:
    scores = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    together, alone = Draw(1.0, [5, 6, 7], torch.device("cpu")), Draw(1.0, [7], torch.device("cpu"))
    for _ in range(3):
        assert torch.equal(together(torch.zeros(3, 1), scores)[2], alone(torch.zeros(1, 1), scores[2:])[0])


def test_audio_that_fits_is_one_window() -> None:
    assert windows(tiny.noise(30.0), 480_000) == [(0, 480_000)]
    assert windows(np.zeros(0, np.float32), 480_000) == [(0, 0)]


def test_longer_audio_is_cut_where_it_is_quietest() -> None:
    wave = np.ones(70 * 16_000, np.float32)
    for pause_s in (12.0, 26.0, 53.5):
        wave[round(pause_s * 16_000) : round((pause_s + 0.3) * 16_000)] = 0.01
    cuts = windows(wave, 480_000)
    assert [round(begin / 16_000, 1) for begin, _ in cuts] == [0.0, 26.1, 53.6]
    assert [end for _, end in cuts] == [*[begin for begin, _ in cuts[1:]], len(wave)]


def test_there_is_nothing_to_hear_in_digital_silence_or_in_less_than_100_ms() -> None:
    assert not holds_sound(np.zeros(16_000, np.float32))
    assert not holds_sound(np.full(16_000, 0.25, np.float32))
    assert not holds_sound(tiny.noise(0.099))
    assert holds_sound(tiny.noise(0.1))


@pytest.mark.parametrize(("tokens", "positions"), [(1, 1), (1, 40), (30, 5), (12, 60)])
def test_tokens_begin_where_transformers_lets_them_begin(tokens: int, positions: int) -> None:
    matrix = np.random.default_rng(tokens).standard_normal((tokens, positions)).astype(np.float32)
    rows, times = _dynamic_time_warping(-matrix.astype(np.float64))
    assert begins(matrix).tolist() == [int(times[rows == row][0]) for row in range(tokens)]


def test_alignment_is_never_nan() -> None:
    alike = torch.full((2, 3, 20), 0.05, dtype=torch.float16)
    assert alignment(alike, 10, 7).shape == (3, 10)
    assert torch.isfinite(alignment(alike, 10, 7)).all()
    assert torch.isfinite(alignment(alike[:, :1], 2, 7)).all()


def diagonal(tokens: int, each: int) -> Any:
    """Each token belongs to `each` positions, and to no other."""
    return 2 * np.kron(np.eye(tokens, dtype=np.float32), np.ones((1, each), np.float32)) - 1


@pytest.fixture
def tokenizer(engine: WhisperEngine) -> WhisperTokenizer:
    return engine._checkpoint.tokenizer


def read(tokenizer: WhisperTokenizer, text: str, probability: float = 0.5) -> Reading:
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    return reading(
        text.strip(),
        tokens=tuple(tokens),
        probabilities=np.full(len(tokens), probability, np.float32),
        alignment=diagonal(len(tokens) + 1, 5),
    )


def test_a_word_lasts_from_its_first_token_to_the_next_word(tokenizer: WhisperTokenizer) -> None:
    heard = read(tokenizer, " oui the a")  # of one token, of "Ġth" and "e", and of one
    assert len(heard.tokens) == 4
    heard.probabilities[:] = (0.9, 0.4, 0.2, 1.0)
    said = words_of(heard, tokenizer, "en", 0, 10_000)
    assert [(word.text, word.start_ms, word.end_ms) for word in said] == [
        ("oui", 0, 100),
        ("the", 100, 300),
        ("a", 300, 400),
    ]
    assert [word.confidence for word in said] == pytest.approx([0.9, 0.3, 1.0])


def test_word_times_are_those_of_the_segment_and_never_beyond_it(tokenizer: WhisperTokenizer) -> None:
    said = words_of(read(tokenizer, " oui the a"), tokenizer, "en", 25_000, 25_250)
    assert [(word.start_ms, word.end_ms) for word in said] == [(25_000, 25_100), (25_100, 25_250), (25_250, 25_250)]


@pytest.mark.parametrize("text", [" peut-être, oui - non : l'été", " ألو ، نعم", 'said "oui"  (a)'])
def test_words_are_what_stands_between_spaces(tokenizer: WhisperTokenizer, text: str) -> None:
    said = words_of(read(tokenizer, text), tokenizer, "fr", 0, 10_000)
    assert [word.text for word in said] == text.split()


def test_a_language_without_spaces_has_words_as_transformers_groups_them(tokenizer: WhisperTokenizer) -> None:
    said = words_of(read(tokenizer, "你好。"), tokenizer, "zh", 0, 10_000)
    assert [word.text for word in said] == ["你", "好。"]


def test_confidence_is_never_nan(tokenizer: WhisperTokenizer) -> None:
    said = words_of(read(tokenizer, " oui", np.nan), tokenizer, "fr", 0, 10_000)
    assert [word.confidence for word in said] == [0.0]
