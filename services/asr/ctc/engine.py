"""The CTC engine: texts of any `*ForCTC` checkpoint as Hugging Face gives them for one segment alone in float32.

Whatever segments share a batch, and whatever precision it ran in: padding reaches no neighbour (`networks.py`), each
segment is decoded over its own positions only (the reference pipeline decodes the padding too, and so adds junk to the
end of shorter segments), and what half precision cannot vouch for is run again in float32 (`guard.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog
import torch
from torch import Tensor

from services.asr import batching
from services.asr.audio import RATE_HZ, wave_of
from services.asr.ctc import guard
from services.asr.ctc.acceleration import accelerate
from services.asr.ctc.checkpoint import Checkpoint, open_checkpoint
from services.asr.ctc.collapse import collapse
from services.asr.ctc.conformer import packable
from services.asr.ctc.networks import Network, PackedNetwork, PaddedNetwork, Wave
from services.asr.devices import device_of, precision_of, threads_of
from services.asr.engine import EngineOptions, Segment, Transcription, Word
from services.asr.metrics import RERUNS

_log = structlog.get_logger()

#: Seconds of audio in one batch, padding included. A GPU wants many (40,000 positions); on a CPU larger batches only
#: leave the cache.
BATCH_S: Final = {"cpu": 120.0, "cuda": 800.0}
#: Threads that resample for a GPU, beside the one that feeds it.
_HEARING_THREADS: Final = 8


#: What the guard's threshold is measured on at the start: seconds of noise that swells and fades.
_CALIBRATION_S: Final = 5.0
#: The longest segment when acceleration is tried.
_TRIAL_S: Final = 20


@dataclass(slots=True)
class _Spoken:
    """What came of one segment.

    Attributes:
        text: What was said.
        words: The same with times.
        margin: See `guard.margins`.
        peaks: The best token at each position and its logit, where both precisions are to be compared.
    """

    text: str = ""
    words: tuple[Word, ...] = ()
    margin: float = float("inf")
    peaks: tuple[Tensor, Tensor] | None = None


class CtcEngine:
    """See `engine.Engine`. `confidence` of a word: the model's mean probability of its letters where they are heard.

    A segment too short for one position (35 ms for W2V-BERT) has an empty text.

    Args:
        checkpoint: The loaded model.
        device: Where to run it.
        dtype: In which precision.
        threshold: Margin below which a segment is run again in float32; None for the precision's default.
        batch_s: Seconds of audio in one batch; 0 for the device's default.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        threshold: float | None = None,
        batch_s: float = 0.0,
    ) -> None:
        self.model = checkpoint.name
        self.model_revision = checkpoint.revision
        self.vocabulary = checkpoint.vocabulary
        self._checkpoint = checkpoint
        self._device = device
        self._dtype = dtype
        self._network = network_of(checkpoint, device, dtype)
        self._exact: Network | None = None
        most = max(1, int((batch_s or BATCH_S.get(device.type, BATCH_S["cuda"])) * 1000 / self._network.position_ms))
        self._budget = batching.Budget(most, alike=self._network.alike)
        self._exact_budget = batching.Budget(most, alike=self._network.alike)
        self._in_flight = threads_of(device)
        threads = self._in_flight if device.type == "cpu" else _HEARING_THREADS
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="asr")
        self._least_threshold = guard.THRESHOLDS[dtype] if threshold is None or dtype is torch.float32 else threshold
        self._error = 0.0
        if device.type == "cuda" and isinstance(self._network, PackedNetwork):
            accelerate(self._network, most, self._try)
        if self._least_threshold:
            self._calibrate()

    @property
    def threshold(self) -> float:
        """The margin, in logits, below which a segment is run again in float32: twice the greatest error seen."""
        return max(self._least_threshold, 2 * self._error) if self._least_threshold else 0.0

    @property
    def window_s(self) -> float:
        """See `Engine`."""
        return self._budget.most * self._network.position_ms / 1000 * self._in_flight

    def close(self) -> None:
        """See `Engine`."""
        self._threads.shutdown()

    def transcribe(self, segments: Sequence[Segment]) -> list[Transcription]:
        """See `Engine`.

        Raises:
            ValueError: Samples are not mono, or not finite, or one segment alone does not fit into memory.
        """
        waves = list(self._threads.map(wave_of, range(len(segments)), segments))
        sizes = [self._network.positions(len(wave)) for wave in waves]
        spoken = [_Spoken() for _ in segments]
        audible = [index for index, size in enumerate(sizes) if size]
        self._run(self._network, self._budget, waves, sizes, audible, spoken)
        doubtful = [index for index in audible if spoken[index].margin < self.threshold]
        if doubtful:
            RERUNS.inc(len(doubtful))
            self._exact = self._exact or network_of(self._checkpoint, self._device, torch.float32)
            self._run(self._exact, self._exact_budget, waves, sizes, doubtful, spoken)
        return [self._transcription(one) for one in spoken]

    def _run(
        self,
        network: Network,
        budget: batching.Budget,
        waves: Sequence[Wave],
        sizes: Sequence[int],
        members: Sequence[int],
        spoken: list[_Spoken],
    ) -> None:
        def launch(batch: list[int]) -> Callable[[], None]:
            if self._device.type == "cpu":
                work = self._threads.submit(lambda: self._launch(network, waves, batch, spoken)())
                return work.result
            return self._launch(network, waves, batch, spoken)

        batching.run(sizes, members, budget, launch, in_flight=self._in_flight)

    def _launch(
        self, network: Network, waves: Sequence[Wave], batch: list[int], spoken: list[_Spoken]
    ) -> Callable[[], None]:
        """Starts a batch; what it returns waits for its end and puts down what was said."""
        # TF32 would round products to 10 bits, and the texts would no longer be the reference's.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            logits, lengths = network.logits([network.hear(waves[index]) for index in batch])
            peak, best = logits.max(dim=-1)
            second_peak, second = logits.scatter(-1, best[:, None], -torch.inf).max(dim=-1)
            probability = (peak - logits.logsumexp(dim=-1)).exp()
            if network is self._exact:
                self._compare(logits, lengths, [spoken[index] for index in batch])
            arrived = _to_host(best, second, peak, peak - second_peak, probability)

        def finish() -> None:
            tokens, others, peaks, distance, likely = arrived()
            vocabulary = self.vocabulary
            said = collapse(tokens.numpy(), likely.numpy(), lengths, vocabulary, network.position_ms)
            margins = guard.margins(
                vocabulary.same[tokens.numpy()],
                vocabulary.same[others.numpy()],
                distance.numpy(),
                lengths,
                vocabulary.blank,
                self.threshold,
            )
            of_segments = zip(tokens.split(lengths), peaks.split(lengths), strict=True)
            for index, (text, words), margin, pair in zip(batch, said, margins, of_segments, strict=True):
                doubtful = margin < self.threshold and network is self._network
                spoken[index] = _Spoken(text, words, float(margin), pair if doubtful else None)

        return finish

    def _compare(self, logits: Tensor, lengths: list[int], before: list[_Spoken]) -> None:
        """Learns from full precision how far off the logits were that a segment was doubted for."""
        for exact, one in zip(logits.split(lengths), before, strict=True):
            if one.peaks is not None:
                tokens, peaks = (values.to(exact.device) for values in one.peaks)
                error = (exact.gather(1, tokens[:, None])[:, 0] - peaks).abs().max().item()
                if 2 * error > max(self._least_threshold, 2 * self._error):
                    _log.warning("half precision is farther off than was known", error=error, threshold=2 * error)
                self._error = max(self._error, error)

    def _calibrate(self) -> None:
        """Measures the error on noise before anything is vouched for, since it depends on the checkpoint."""
        count = int(_CALIBRATION_S * RATE_HZ)
        noise = np.random.default_rng(0).standard_normal(count) * np.geomspace(1e-4, 0.3, count)
        least, self._least_threshold = self._least_threshold, float("inf")
        self.transcribe([Segment(noise.astype(np.float32), RATE_HZ)])
        self._least_threshold = least

    def _try(self, positions: int) -> None:
        """Runs the network once over silence of so many positions, in segments of 20 s, and waits for it."""
        samples = int(positions * self._network.position_ms * RATE_HZ / 1000)
        longest = _TRIAL_S * RATE_HZ
        waves = [np.zeros(min(longest, samples - start), np.float32) for start in range(0, samples, longest)]
        heard = [index for index, wave in enumerate(waves) if self._network.positions(len(wave))]
        self._launch(self._network, waves, heard, [_Spoken() for _ in waves])()

    def _transcription(self, spoken: _Spoken) -> Transcription:
        tokenizer = self._checkpoint.tokenizer
        text = tokenizer.clean_up_tokenization(spoken.text) if tokenizer.clean_up_tokenization_spaces else spoken.text
        margin = spoken.margin if np.isfinite(spoken.margin) else None
        return Transcription(text, spoken.words, self.model, self.model_revision, margin=margin)


def load(options: EngineOptions) -> CtcEngine:
    """Opens a checkpoint on a device.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        EngineError: There is no such device.
    """
    device = device_of(options.device)
    if device.type == "cpu":
        # Each thread runs a batch of its own from end to end (`threads_of`). Threads that share one batch wait for each
        # other after every operator, and where another process takes a core that is most of the time.
        torch.set_num_threads(1)
    dtype = precision_of(options.precision, device)
    return CtcEngine(open_checkpoint(options), device, dtype, threshold=options.guard, batch_s=options.batch_s)


def network_of(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Network:
    """The network that runs a checkpoint; the checkpoint's own module is not changed."""
    config = checkpoint.model.config
    if config.model_type == "wav2vec2-bert" and packable(config):
        return PackedNetwork(checkpoint.model, checkpoint.padding, device, dtype)
    return PaddedNetwork(copy.deepcopy(checkpoint.model), checkpoint.hear, device, dtype, checkpoint.padding)


def _to_host(*values: Tensor) -> Callable[[], Sequence[Tensor]]:
    """Starts copying to the CPU; what it returns waits until everything has arrived."""
    if values[0].device.type != "cuda":
        return lambda: values
    landing = [torch.empty(value.shape, dtype=value.dtype, pin_memory=True) for value in values]
    for place, value in zip(landing, values, strict=True):
        place.copy_(value, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def arrived() -> Sequence[Tensor]:
        done.synchronize()
        return landing

    return arrived
