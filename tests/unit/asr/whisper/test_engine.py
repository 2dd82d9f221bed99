"""The Whisper engine on tiny random models: what each option changes, and what its guards let through."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from structlog.testing import capture_logs
from transformers import GenerationConfig, WhisperForConditionalGeneration

from services.asr.audio import resample
from services.asr.engine import EngineError, Segment, Transcription, load_engine
from services.asr.metrics import FALLBACKS
from services.asr.whisper.engine import WhisperEngine
from services.asr.whisper.guards import MOST_REPETITION, Reading, repetition
from tests.unit.asr.whisper import tiny

#: Of a model that holds no speech for likeliest, and writes anything.
NO_SPEECH = {"<|nospeech|>": 15.0, "<|endoftext|>": -5.0, "Ġ": 0.0}
MIXED = tiny.segments(1.5, 0.3, 2.0, 1.7, 1.4, 0.8)


@pytest.fixture(scope="module")
def mixed(engine: WhisperEngine) -> list[Transcription]:
    """What the plain engine hears, alone, in each of the segments."""
    return [engine.transcribe([segment])[0] for segment in MIXED]


def readings(engine: WhisperEngine, segments: Any = MIXED) -> list[tuple[str, list[Reading]]]:
    return engine._decoder.read([segment.samples for segment in segments])


def reference(folder: Path, engine: WhisperEngine, segment: Segment, language: str, **options: Any) -> str:
    """What transformers writes by itself; nor does it write what is neither text nor the end."""
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    features = engine._checkpoint.extractor(segment.samples, sampling_rate=tiny.RATE_HZ, return_tensors="pt")
    config = GenerationConfig.from_pretrained(folder)
    config.suppress_tokens = list(engine._checkpoint.tokens.never)
    written = model.generate(
        features.input_features, generation_config=config, language=language, task="transcribe", **options
    )
    return str(engine._checkpoint.tokenizer.decode(written[0], skip_special_tokens=True)).strip()


def test_the_engine_is_found_by_its_name(folder: Path) -> None:
    with pytest.raises(EngineError, match="RINGTRUE_ASR__MODEL is not set"):
        load_engine("whisper")


def test_results_carry_the_model_and_its_revision(engine: WhisperEngine, mixed: list[Transcription]) -> None:
    assert {(heard.model, heard.model_revision) for heard in mixed} == {("tiny", engine.model_revision)}


def test_a_sure_text_is_the_one_that_transformers_writes(folder: Path, engine: WhisperEngine) -> None:
    read = readings(engine)
    settled = [index for index, (_, tried) in enumerate(read) if len(tried) == 1]
    assert len(settled) >= 3
    for index in settled:
        language, (reading,) = read[index]
        assert reading.text == reference(folder, engine, MIXED[index], language)


def test_segments_of_mixed_lengths_sound_together_as_alone(folder: Path, mixed: list[Transcription]) -> None:
    before = FALLBACKS._value.get()
    together = tiny.engine(folder, batch_s=5 * tiny.WINDOW_S).transcribe(MIXED)
    assert FALLBACKS._value.get() > before  # drawn texts are among them
    assert [(heard.text, heard.language) for heard in together] == [(heard.text, heard.language) for heard in mixed]
    for heard, alone in zip(together, mixed, strict=True):
        assert [(word.text, word.start_ms, word.end_ms) for word in heard.words] == [
            (word.text, word.start_ms, word.end_ms) for word in alone.words
        ]
        assert [word.confidence for word in heard.words] == pytest.approx(
            [word.confidence for word in alone.words], rel=1e-4
        )


def test_results_repeat_and_leave_the_random_numbers_of_others_alone(
    engine: WhisperEngine, mixed: list[Transcription]
) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert engine.transcribe(MIXED[1:2]) == mixed[1:2]
    assert torch.equal(torch.get_rng_state(), state)


def test_words_are_the_text_and_lie_within_the_segment(mixed: list[Transcription]) -> None:
    for heard, segment in zip(mixed, MIXED, strict=True):
        assert heard.words
        assert " ".join(word.text for word in heard.words) == " ".join(heard.text.split())
        times = [moment for word in heard.words for moment in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
        assert times[-1] <= segment.duration_s * 1000
        assert all(0 < word.confidence <= 1 for word in heard.words)


def test_word_times_are_those_that_transformers_finds(folder: Path, engine: WhisperEngine) -> None:
    model = WhisperForConditionalGeneration.from_pretrained(folder, attn_implementation="eager")
    (language, (reading,)) = readings(engine, MIXED[:1])[0]
    features = engine._checkpoint.extractor(MIXED[0].samples, sampling_rate=tiny.RATE_HZ, return_tensors="pt")
    start = engine._decoder._start(language)
    with torch.no_grad():
        passed = model(
            features.input_features,
            decoder_input_ids=torch.tensor([[*start, *reading.tokens]]),
            output_attentions=True,
        )
    passed["cross_attentions"] = (passed.cross_attentions,)
    passed["sequences"] = torch.tensor([[*start, *reading.tokens]])
    found = model._extract_token_timestamps(passed, [[1, 0], [1, 1]], num_frames=150, num_input_ids=len(start) - 1)
    seconds = found[0, len(start) - 1 :].tolist()
    assert engine.transcribe(MIXED[:1])[0].words[0].start_ms == round(1000 * seconds[0])
    assert {word.start_ms for word in engine.transcribe(MIXED[:1])[0].words} <= {round(1000 * at) for at in seconds}


def test_the_language_is_detected_for_each_segment(mixed: list[Transcription]) -> None:
    assert {heard.language for heard in mixed} >= {"en", "ar"}


def test_a_language_that_is_told_is_assumed(folder: Path, mixed: list[Transcription]) -> None:
    heard = tiny.engine(folder, language="fr").transcribe(MIXED)
    assert {one.language for one in heard} == {"fr"}
    assert [one.text for one in heard] != [one.text for one in mixed]


def test_javanese_has_the_code_that_iso_gives_it(folder: Path) -> None:
    engine = tiny.engine(folder, language="jv")
    assert engine._decoder._start("jv")[1] == tiny.IDS["<|jw|>"]
    assert engine.transcribe(MIXED[:1])[0].language == "jv"


def test_a_language_that_the_model_does_not_know_is_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match=r"RINGTRUE_ASR__LANGUAGE is 'de'.*it knows: ar, en, fr, jv, zh"):
        tiny.engine(folder, language="de")


def test_a_model_for_english_only_says_so(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path, english=True)
    for language in ("", "en"):
        heard = tiny.engine(folder, language=language).transcribe(MIXED[:1])[0]
        assert heard.language == "en"
        assert heard.text
    with pytest.raises(EngineError, match=r"RINGTRUE_ASR__LANGUAGE is 'fr'.*it knows: en"):
        tiny.engine(folder, language="fr")


def test_a_prompt_changes_the_text(folder: Path, engine: WhisperEngine, mixed: list[Transcription]) -> None:
    prompted = tiny.engine(folder, prompt="oui the oui", language="en")
    begin = prompted._checkpoint.tokenizer(" oui the oui", add_special_tokens=False).input_ids
    assert prompted._decoder._start("en") == [tiny.IDS["<|startofprev|>"], *begin, *engine._decoder._start("en")]
    plain = tiny.engine(folder, language="en").transcribe(MIXED[:1])[0]
    heard = prompted.transcribe(MIXED[:1])[0]
    assert heard.text
    assert heard.text != plain.text


def test_a_prompted_text_is_the_one_that_transformers_writes(folder: Path) -> None:
    engine = tiny.engine(folder, prompt="oui the oui")
    ids = torch.tensor(engine._checkpoint.tokenizer.get_prompt_ids("oui the oui"))
    read = readings(engine)
    for segment, (language, tried) in zip(MIXED[:3], read, strict=False):
        # transformers gives back the prompt, too
        written = reference(folder, engine, segment, language, prompt_ids=ids, max_new_tokens=tiny.LONGEST - 8 - 1)
        assert written.removeprefix("oui the oui").strip()[:20] == tried[0].text[:20]


def test_the_vocabulary_stands_before_the_prompt(folder: Path) -> None:
    engine = tiny.engine(folder, prompt="oui", vocabulary=("the", "", "a"), language="en")
    start = engine._decoder._start("en")
    assert engine._checkpoint.tokenizer.decode(start[1 : start.index(tiny.IDS["<|startoftranscript|>"])]) == (
        " the, a. oui"
    )


def test_what_is_too_long_for_a_prompt_is_left_out_with_a_warning(folder: Path) -> None:
    room = tiny.LONGEST // 2 - 1
    with capture_logs() as logs:
        engine = tiny.engine(folder, vocabulary=("oui", "the", "x" * 30, "a"), prompt="oui", language="en")
    start = engine._decoder._start("en")
    assert engine._checkpoint.tokenizer.decode(start[1 : start.index(tiny.IDS["<|startoftranscript|>"])]) == (
        " oui, the. oui"
    )
    assert [(log["event"], log["words"], log["kept"]) for log in logs] == [("vocabulary cut", 4, 2)]
    with capture_logs() as logs:
        engine = tiny.engine(folder, prompt="x" * 40 + " oui", language="en")
    start = engine._decoder._start("en")
    assert start.index(tiny.IDS["<|startoftranscript|>"]) == 1 + room
    assert engine._checkpoint.tokenizer.decode(start[1 : 1 + room]) == "x" * (room - 1) + " oui"
    assert [(log["event"], log["log_level"]) for log in logs] == [("prompt cut", "warning")]
    assert engine.transcribe(MIXED[:1])[0].text


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"prompt": "<|fr|> oui"}, "RINGTRUE_ASR__PROMPT"), ({"vocabulary": ("a", "<|en|>")}, "RINGTRUE_ASR__VOCABULARY")],
)
def test_a_prompt_cannot_hold_tokens_that_are_no_text(folder: Path, options: dict[str, Any], setting: str) -> None:
    with pytest.raises(EngineError, match=setting):
        tiny.engine(folder, **options)


def test_beams_find_a_likelier_text_and_tell_of_others(folder: Path, engine: WhisperEngine) -> None:
    searching = tiny.engine(folder, beams=3)
    greedy, beams = readings(engine), readings(searching)
    gains = [b[1][0].logprob - g[1][0].logprob for g, b in zip(greedy, beams, strict=True)]
    assert np.mean(gains) > 0
    assert beams[0][1][0].text == reference(folder, engine, MIXED[0], beams[0][0], num_beams=3)
    (heard,) = searching.transcribe(MIXED[:1])
    assert len(heard.alternatives) >= 1
    assert heard.text not in heard.alternatives
    assert len(set(heard.alternatives)) == len(heard.alternatives)
    together = readings(searching, [*MIXED, *MIXED])
    assert [tried[0].text for _, tried in together] == 2 * [tried[0].text for _, tried in beams]


def test_fewer_than_one_beam_are_refused(folder: Path) -> None:
    with pytest.raises(EngineError, match="RINGTRUE_ASR__BEAMS is 0"):
        tiny.engine(folder, beams=0)


def test_a_loop_is_decoded_again_at_higher_temperatures(engine: WhisperEngine, mixed: list[Transcription]) -> None:
    read = readings(engine)
    looping = [index for index, (_, tried) in enumerate(read) if tried[0].looping]
    assert looping
    for index in looping:
        assert len(read[index][1]) > 1
        assert mixed[index].text != read[index][1][0].text
        assert repetition(mixed[index].text) <= MOST_REPETITION


def test_a_loop_that_no_temperature_breaks_is_dropped(tmp_path: Path) -> None:
    engine = tiny.engine(tiny.checkpoint(tmp_path, wish={"l": 60.0}))
    before = FALLBACKS._value.get()
    with capture_logs() as logs:
        (heard,) = engine.transcribe(MIXED[:1])
    assert (heard.text, heard.words, heard.language) == ("", (), None)
    assert [log["why"] for log in logs] == ["repetition"]
    assert FALLBACKS._value.get() - before == 5


def test_noise_that_the_model_takes_for_no_speech_is_empty(tmp_path: Path) -> None:
    engine = tiny.engine(tiny.checkpoint(tmp_path, wish=NO_SPEECH, sure=0.5))
    before = FALLBACKS._value.get()
    with capture_logs() as logs:
        heard = engine.transcribe(MIXED)
    assert {(one.text, one.words, one.language) for one in heard} == {("", (), None)}
    assert {log["why"] for log in logs} == {"no speech"}
    assert FALLBACKS._value.get() == before


def test_no_speech_is_judged_at_the_start_of_the_transcript_whatever_the_prompt(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path, wish=NO_SPEECH, sure=0.5)
    assert tiny.engine(folder, prompt="oui the", language="fr").transcribe(MIXED[:1])[0].text == ""


def test_an_unsure_text_is_decoded_again_and_the_likeliest_taken(tmp_path: Path) -> None:
    engine = tiny.engine(tiny.checkpoint(tmp_path, wish={"<|endoftext|>": -1.0, "Ġ": 0.0}, sure=0.5))
    ((_, tried),) = readings(engine, MIXED[:1])
    assert len(tried) == 6
    assert len({one.text for one in tried}) == 6
    likeliest = max((one for one in tried if not one.looping), key=lambda one: one.logprob)
    assert engine.transcribe(MIXED[:1])[0].text == likeliest.text != tried[-1].text


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0, np.float32), np.zeros(16_000, np.float32), tiny.noise(0.05), np.full(8_000, 0.1, np.float32)],
)
def test_too_short_or_digitally_silent_audio_is_empty_and_no_model_is_asked(
    folder: Path, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tiny.engine(folder, language="fr")
    monkeypatch.setattr(engine, "_decoder", type("Told", (), {"language": "fr"}))
    (heard,) = engine.transcribe([Segment(samples, 16_000)])
    assert (heard.text, heard.words, heard.language, heard.alternatives) == ("", (), "fr", ())


def test_nothing_is_heard_in_nothing(engine: WhisperEngine) -> None:
    assert engine.transcribe([]) == []


def test_a_longer_recording_is_heard_window_by_window(engine: WhisperEngine) -> None:
    first, second = tiny.noise(1.7, 11), tiny.noise(1.2, 12)
    pause = np.zeros(1_600, np.float32)
    recording = Segment(np.concatenate([first, pause, pause, second]), tiny.RATE_HZ)
    whole = engine.transcribe([recording, MIXED[0]])[0]
    parts = engine.transcribe(
        [Segment(np.concatenate(pair), tiny.RATE_HZ) for pair in ([first, pause], [pause, second])]
    )
    assert whole.text == " ".join(part.text for part in parts)
    assert [(word.text, word.start_ms) for word in whole.words] == [
        *((word.text, word.start_ms) for word in parts[0].words),
        *((word.text, word.start_ms + 1_800) for word in parts[1].words),
    ]
    assert whole.language in {part.language for part in parts}
    assert whole.alternatives == ()


def test_audio_at_another_rate_is_heard_as_resampled(engine: WhisperEngine) -> None:
    samples = tiny.noise(1.0)[:8_000]
    telephone = Segment(samples, 8_000)
    assert engine.transcribe([telephone]) == engine.transcribe([Segment(resample(samples, 8_000), 16_000)])


@pytest.mark.parametrize("samples", [np.zeros((2, 16_000), np.float32), np.full(16_000, np.nan, np.float32)])
def test_audio_that_is_not_mono_or_not_finite_is_refused(engine: WhisperEngine, samples: Any) -> None:
    with pytest.raises(ValueError, match="segment 1: samples must be mono and finite"):
        engine.transcribe([MIXED[0], Segment(samples, 16_000)])


def test_a_batch_holds_the_windows_that_its_seconds_are_worth(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    for batch_s, beams in ((6.5, 1), (0.5, 1), (0.0, 1), (0.0, 2)):
        engine = tiny.engine(folder, batch_s=batch_s, beams=beams)
        real = engine._decoder.read

        def read(waves: Any, real: Any = real) -> Any:
            sizes.append(len(waves))
            return real(waves)

        monkeypatch.setattr(engine._decoder, "read", read)
        engine.transcribe(MIXED[:4] if batch_s != 0.5 else MIXED[:2])
    assert sizes == [3, 1, 1, 1, 4, 2, 2]


def test_a_batch_that_is_too_much_for_the_memory_is_halved(
    folder: Path, mixed: list[Transcription], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tiny.engine(folder)
    real = engine._decoder.read

    def read(waves: Any) -> Any:
        if len(waves) > 1:
            raise torch.OutOfMemoryError("no memory")
        return real(waves)

    monkeypatch.setattr(engine._decoder, "read", read)
    assert engine.transcribe(MIXED[:3]) == mixed[:3]


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_hears_words_as_well(folder: Path, precision: Any) -> None:
    for heard in tiny.engine(folder, precision=precision).transcribe(MIXED[:3]):
        assert all(np.isfinite(word.confidence) for word in heard.words)
        assert heard.language
