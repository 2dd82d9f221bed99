"""The model: windows of audio in, readings out (`guards.Reading`), the temperature fall-back within.

What transformers has is used: features, `detect_language`, and the search of `GenerationMixin.generate` with its
processors. Its Whisper wrapper (`WhisperForConditionalGeneration.generate`, 5.23) runs the fall-back for short audio as
for long, but is not called, for five reasons. Its fall-back reads the no-speech probability of the wrong window as soon
as one window of a batch has passed. It draws for all windows from one random stream, so that a text depends on its
company. It measures repetition on token ids, where OpenAI's 2.4 means something else. It copies every window's cache to
the CPU (245 MB each for large-v3) and keeps the attention of every head. And with beams it gives the best alternative
only, several times over.

So after each search one pass over what was written (as OpenAI's `timing.py` does it) gives all that the guards and the
word times need: the probability of each token and of no speech, and the attention of the heads that follow the audio.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput

from services.asr.audio import RATE_HZ
from services.asr.engine import EngineError
from services.asr.metrics import FALLBACKS
from services.asr.whisper.checkpoint import HOP, Checkpoint
from services.asr.whisper.guards import TEMPERATURES, Reading
from services.asr.whisper.words import alignment

#: Tokens, over all windows, whose attention is held at once: of 20 heads and 1,500 positions, 120 MB in half precision.
_AT_ONCE: Final = 2_048


class Permit(LogitsProcessor):
    """Leaves out the tokens that may not be written, as `SuppressTokensLogitsProcessor` does, which sorts at each step.

    Args:
        never: Mask over the vocabulary.
        not_first: Mask over the vocabulary, for the first token of text.
        begin: Tokens before the text.
    """

    def __init__(self, never: Tensor, not_first: Tensor, begin: int) -> None:
        self._never = never
        self._first = never | not_first
        self._begin = begin

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [rows, vocabulary], those left out at minus infinity."""
        return scores.masked_fill(self._first if input_ids.shape[1] == self._begin else self._never, -torch.inf)


class Draw(LogitsProcessor):
    """Draws each row's token at a temperature, from a stream of its own: what a row gets, no other row can change.

    With Gumbel noise the highest of scores / temperature is a draw from their softmax, which a greedy search takes.

    Args:
        temperature: Above 0.
        seeds: One for each row.
        device: Of the scores.
    """

    def __init__(self, temperature: float, seeds: Sequence[int], device: torch.device) -> None:
        self._temperature = temperature
        self._streams = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Scores [rows, vocabulary] with noise."""
        waits = torch.stack([torch.empty_like(scores[0]).exponential_(generator=stream) for stream in self._streams])
        return scores / self._temperature - waits.clamp_min(torch.finfo(waits.dtype).tiny).log()


class Decoder:
    """A checkpoint with all that is set for it.

    Args:
        checkpoint: Loaded.
        language: ISO 639-1; empty to detect it for each window.
        prompt: Token ids from `<|startofprev|>` on, or none.
        beams: Hypotheses at temperature 0; others are drawn one at a time.

    Raises:
        EngineError: The model does not know the language.
    """

    def __init__(self, checkpoint: Checkpoint, language: str, prompt: Sequence[int], beams: int) -> None:
        known = checkpoint.tokens.languages or {"en": 0}
        if language and language not in known:
            raise EngineError(
                f"RINGTRUE_ASR__LANGUAGE is {language!r}, which {checkpoint.name} does not know; "
                f"it knows: {', '.join(sorted(known))}"
            )
        self._checkpoint = checkpoint
        self._model: Any = checkpoint.model
        self._device: torch.device = checkpoint.model.device
        self._told = language or ("" if checkpoint.tokens.languages else "en")
        self._prompt = list(prompt)
        self._beams = beams
        self._never = self._mask(checkpoint.tokens.never)
        self._not_first = self._mask(checkpoint.tokens.not_first)
        self._layers = sorted({layer for layer, _ in checkpoint.heads})
        for layer in self._layers:
            # The fused kernels keep no attention. These layers run without one over the audio, the others with it.
            attention = self._model.model.decoder.layers[layer].encoder_attn
            attention.config = copy.copy(attention.config)
            attention.config._attn_implementation = "eager"

    @property
    def language(self) -> str:
        """The language that every window is heard in; empty where it is detected."""
        return self._told

    def read(self, waves: Sequence[NDArray[np.float32]]) -> list[tuple[str, list[Reading]]]:
        """For each window its language (ISO 639-1) and its readings at rising temperatures, until one was settled.

        Args:
            waves: 16 kHz samples, each no longer than `Checkpoint.window`.
        """
        with torch.inference_mode():
            heard = self._heard(waves)
            languages = self._languages(heard)
            starts = torch.tensor([self._start(language) for language in languages], device=self._device)
            positions = [max(1, len(wave) // (2 * HOP)) for wave in waves]
            sums = [zlib.crc32(wave.tobytes()) for wave in waves]
            readings: list[list[Reading]] = [[] for _ in waves]
            open_ = list(range(len(waves)))
            for turn, temperature in enumerate(TEMPERATURES):
                FALLBACKS.inc(len(open_) if turn else 0)
                seeds = [zlib.crc32(bytes([turn]), sums[index]) for index in open_]
                draw = Draw(temperature, seeds, self._device) if turn else None
                tried = self._tried(heard[open_], starts[open_], draw)
                judged = self._judged(heard[open_], starts[open_], tried, [positions[i] for i in open_])
                for index, reading in zip(open_, judged, strict=True):
                    readings[index].append(reading)
                open_ = [index for index in open_ if not readings[index][-1].settled]
                if not open_:
                    break
        return list(zip(languages, readings, strict=True))

    def _heard(self, waves: Sequence[NDArray[np.float32]]) -> Tensor:
        """The encoder's output [windows, positions, width]. Features are made one by one: the same in any company."""
        make = self._checkpoint.extractor
        features = [
            make(wave, sampling_rate=RATE_HZ, return_tensors="pt", device=str(self._device)).input_features
            for wave in waves
        ]
        inputs = torch.cat(features).to(self._device, self._model.dtype)
        heard: Tensor = self._model.get_encoder()(inputs).last_hidden_state
        return heard

    def _languages(self, heard: Tensor) -> list[str]:
        if self._told:
            return [self._told] * len(heard)
        codes = {token: code for code, token in self._checkpoint.tokens.languages.items()}
        found = self._model.detect_language(encoder_outputs=BaseModelOutput(last_hidden_state=heard))
        return [codes[token] for token in found.tolist()]

    def _start(self, language: str) -> list[int]:
        """What stands before the text. Times between texts (`<|0.00|>`) are not asked for: words have theirs."""
        tokens = self._checkpoint.tokens
        told = [tokens.languages[language], tokens.transcribe] if tokens.languages else []
        return [*self._prompt, tokens.start, *told, tokens.no_timestamps]

    def _tried(self, heard: Tensor, starts: Tensor, draw: Draw | None) -> list[list[list[int]]]:
        """For each window what was written, best first: tokens of text, and the end if it came to one."""
        tokens = self._checkpoint.tokens
        beams = 1 if draw else self._beams
        room = self._checkpoint.longest - starts.shape[1]
        permit = Permit(self._never, self._not_first, starts.shape[1])
        search: Any = GenerationMixin.generate
        written: Tensor = search(
            self._model,
            # Whisper's encoder has no mask; without one the search would warn that it cannot tell padding.
            attention_mask=torch.ones(heard.shape[:2], dtype=torch.int64, device=self._device),
            encoder_outputs=BaseModelOutput(last_hidden_state=heard),
            decoder_input_ids=starts,
            generation_config=GenerationConfig(
                max_new_tokens=room,
                num_beams=beams,
                num_return_sequences=beams,
                do_sample=False,
                decoder_start_token_id=tokens.start,
                bos_token_id=tokens.end,
                eos_token_id=tokens.end,
                pad_token_id=tokens.end,
            ),
            logits_processor=LogitsProcessorList([permit, draw] if draw else [permit]),
        )
        rows = written[:, starts.shape[1] :].tolist()
        texts = [row[: row.index(tokens.end) + 1] if tokens.end in row else row for row in rows]
        return [texts[i : i + beams] for i in range(0, len(texts), beams)]

    def _judged(
        self, heard: Tensor, starts: Tensor, tried: Sequence[Sequence[list[int]]], positions: Sequence[int]
    ) -> list[Reading]:
        readings = list[Reading]()
        longest = starts.shape[1] + max(len(texts[0]) for texts in tried)
        step = max(1, _AT_ONCE // longest)
        for at in range(0, len(tried), step):
            part = slice(at, at + step)
            readings += self._judged_at_once(heard[part], starts[part], tried[part], positions[part])
        return readings

    def _judged_at_once(
        self, heard: Tensor, starts: Tensor, tried: Sequence[Sequence[list[int]]], positions: Sequence[int]
    ) -> list[Reading]:
        tokens, tokenizer = self._checkpoint.tokens, self._checkpoint.tokenizer
        first = starts.shape[1] - 1  # where the first token of text is foretold
        longest = max(len(texts[0]) for texts in tried)
        # Causal attention: what pads a shorter row at its end is never looked at.
        rows = [
            [*start, *texts[0], *[tokens.end] * longest] for start, texts in zip(starts.tolist(), tried, strict=True)
        ]
        inputs = torch.tensor([row[: first + 1 + longest] for row in rows], device=self._device)
        with self._attention(first) as attention:
            hidden = self._model.model.decoder(
                input_ids=inputs, encoder_hidden_states=heard, use_cache=False
            ).last_hidden_state
        followed = torch.cat([attention[layer] for layer in self._layers], dim=1)
        readings = []
        for row, texts in enumerate(tried):
            best = texts[0]
            text = [token for token in best if token != tokens.end]
            # A window at a time: scores over the vocabulary are the largest there is.
            foretold = hidden[row, first : first + len(best)]
            at_start = self._model.proj_out(hidden[row, len(self._prompt)]).float().softmax(dim=-1)
            scores = self._model.proj_out(foretold).float().masked_fill(self._never, -torch.inf)
            scores[0] = scores[0].masked_fill(self._not_first, -torch.inf)
            chosen = scores.log_softmax(dim=-1).gather(1, torch.tensor(best, device=self._device)[:, None])[:, 0]
            said = [tokenizer.decode(other, skip_special_tokens=True).strip() for other in texts]
            readings.append(
                Reading(
                    text=said[0],
                    tokens=tuple(text),
                    probabilities=chosen[: len(text)].exp().cpu().numpy(),
                    logprob=float(chosen.sum()) / (len(text) + 1),
                    no_speech=float(at_start[tokens.no_speech]),
                    alignment=alignment(
                        followed[row, :, : len(text) + 1], positions[row], self._model.config.median_filter_width
                    )
                    .cpu()
                    .numpy(),
                    alternatives=tuple(dict.fromkeys(other for other in said[1:] if other not in ("", said[0]))),
                )
            )
        return readings

    def _mask(self, tokens: Sequence[int]) -> Tensor:
        mask = torch.zeros(int(self._model.config.vocab_size), dtype=torch.bool)
        mask[list(tokens)] = True
        return mask.to(self._device)

    @contextmanager
    def _attention(self, first: int) -> Iterator[dict[int, Tensor]]:
        """Collects, by layer, what the heads attend to: [windows, heads, tokens from `first` on, positions]."""
        kept: dict[int, Tensor] = {}
        handles = []
        for layer in self._layers:
            heads = [head for of, head in self._checkpoint.heads if of == layer]

            def keep(_module: Any, _inputs: Any, output: Any, layer: int = layer, heads: list[int] = heads) -> None:
                kept[layer] = output[1][:, heads, first:]

            handles.append(self._model.model.decoder.layers[layer].encoder_attn.register_forward_hook(keep))
        try:
            yield kept
        finally:
            for handle in handles:
                handle.remove()
