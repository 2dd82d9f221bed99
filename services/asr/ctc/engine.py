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
from functools import partial
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
from services.asr.ctc.logmel import FRAME, HOP
from services.asr.ctc.networks import Network, PackedNetwork, PaddedNetwork, Wave
from services.asr.devices import device_of, on_device, precision_of, threads_of, to_host
from services.asr.engine import EngineOptions, Segment, Transcription, Word
from services.asr.metrics import RERUNS

_log = structlog.get_logger()

#: Seconds of audio in one batch, padding included. A GPU wants many (40,000 positions); on a CPU larger batches only
#: leave the cache.
BATCH_S: Final = {"cpu": 120.0, "cuda": 800.0}
#: Threads that resample for a GPU, beside the one that feeds it.
_HEARING_THREADS: Final = 8
#: Kinds of device with a compiler and kernels of their own (`acceleration.py`).
ACCELERATED: Final = ("cuda",)
#: What the guard's threshold is measured on at the start: seconds of noise that swells and fades.
_CALIBRATION_S: Final = 5.0
#: Rows of each segment when acceleration is tried: some 20 s.
_TRIAL_ROWS: Final = 1_000
#: A GPU with no memory for 40 s of audio is none to work with.
_LEAST_BUDGET: Final = 2_000
#: By how far their numbers reach.
_WIDER: Final = (torch.float16, torch.bfloat16, torch.float32)


@dataclass(slots=True)
class _Spoken:
    """What came of one segment.

    Attributes:
        text: What was said.
        words: The same with times.
        margin: See `guard.margins`.
        peaks: The best tokens at each position and their logits [positions, 3], where both precisions are compared.
    """

    text: str = ""
    words: tuple[Word, ...] = ()
    margin: float = float("inf")
    peaks: tuple[Tensor, Tensor] | None = None


class CtcEngine:
    """See `engine.Engine`. `confidence` of a word: the model's mean probability of its letters where they are heard.

    A segment too short for one position (35 ms for W2V-BERT) has an empty text.

    Args:
        checkpoint: The loaded model; let go of once the networks are made from it.
        device: Where to run it.
        dtype: In which precision; where that overflows, the next wider one is taken.
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
        self._tokenizer = checkpoint.tokenizer
        self._language = checkpoint.language
        self._device = device
        self._in_flight = threads_of(device)
        threads = self._in_flight if device.type == "cpu" else _HEARING_THREADS
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="asr")
        self._exact: Network | None = None
        self._threshold = guard.Threshold(0.0)
        batch_s = batch_s or BATCH_S.get(device.type, BATCH_S["cuda"])
        for wider in _WIDER[_WIDER.index(dtype) :]:
            self._network = network_of(checkpoint, device, wider)
            most = max(1, int(batch_s * 1000 / self._network.position_ms))
            self._budget = batching.Budget(most, alike=self._network.alike)
            self._accelerate()
            heard = self._noise_heard(self._network)
            if heard.isfinite().all() or wider is torch.float32:
                break
            _log.warning("overflow: the next wider precision is taken", precision=str(wider))
        least = guard.THRESHOLDS[wider] if threshold is None or wider is torch.float32 else threshold
        self._threshold = guard.Threshold(least)
        self._exact_budget = batching.Budget(most, alike=self._network.alike)
        if least:
            self._exact = network_of(checkpoint, device, torch.float32)
            self._threshold.learn(float((self._noise_heard(self._exact) - heard).abs().max()))

    @property
    def threshold(self) -> float:
        """The margin, in logits, below which a segment is run again in float32."""
        return self._threshold.margin

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
            SegmentError: Samples are not mono, or not finite, or one segment alone does not fit into memory.
        """
        waves = list(self._threads.map(wave_of, range(len(segments)), segments))
        sizes = [self._network.size(len(wave)) for wave in waves]
        spoken = [_Spoken() for _ in segments]
        unsure = {index for index, size in enumerate(sizes) if size}
        self._run(self._network, self._budget, waves, sizes, sorted(unsure), spoken)
        # What is run again may show that more has to be.
        while self._exact and (doubtful := [i for i in sorted(unsure) if spoken[i].margin < self.threshold]):
            RERUNS.inc(len(doubtful))
            self._run(self._exact, self._exact_budget, waves, sizes, doubtful, spoken)
            unsure.difference_update(doubtful)
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
        with torch.inference_mode(), on_device(self._device):
            logits, lengths = network.logits([network.hear(waves[index]) for index in batch])
            peak, best = logits.max(dim=-1, keepdim=True)  # of equals the first, as in the reference
            next_peaks, others = logits.scatter(-1, best, -torch.inf).topk(min(2, logits.shape[1] - 1), dim=-1)
            probability = (peak[:, 0] - logits.logsumexp(dim=-1)).exp()
            if network is self._exact:
                self._compare(logits, lengths, [spoken[index] for index in batch])
            tokens, peaks = torch.cat((best, others), dim=1), torch.cat((peak, next_peaks), dim=1)
            arrived = to_host(tokens, peaks, probability)

        def finish() -> None:
            tokens, peaks, likely = arrived()
            numbers, heights = self.vocabulary.same[tokens.numpy()], peaks.numpy()
            said = collapse(numbers[:, 0], likely.numpy(), lengths, self.vocabulary, network.position_ms)
            distances = heights[:, :1] - heights[:, 1:]
            margins = guard.margins(numbers[:, 0], numbers[:, 1:], distances, lengths, self.vocabulary.blank)
            of_segments = zip(tokens.split(lengths), peaks.split(lengths), strict=True)
            for index, (text, words), margin, pair in zip(batch, said, margins, of_segments, strict=True):
                compared = pair if network is not self._exact and self.threshold else None
                spoken[index] = _Spoken(text, words, float(margin), compared)

        return finish

    def _compare(self, logits: Tensor, lengths: list[int], before: list[_Spoken]) -> None:
        """Learns from full precision how far off the logits were that a segment was doubted for."""
        for exact, one in zip(logits.split(lengths), before, strict=True):
            if one.peaks is not None:
                tokens, peaks = (values.to(exact.device) for values in one.peaks)
                self._threshold.learn(float((exact.gather(1, tokens) - peaks).abs().nan_to_num(0.0, 0.0).max()))

    def _noise_heard(self, network: Network) -> Tensor:
        """Logits of noise that swells: whether a precision suffices for this checkpoint, and how far it is off."""
        count = int(_CALIBRATION_S * RATE_HZ)
        noise = np.random.default_rng(0).standard_normal(count) * np.geomspace(1e-4, 0.3, count)
        with torch.inference_mode(), on_device(self._device):
            return network.logits([network.hear(noise.astype(np.float32))])[0]

    def _accelerate(self) -> None:
        """Puts a GPU to its best use, with smaller batches where its memory is small."""
        network, budget = self._network, self._budget
        while self._device.type in ACCELERATED and isinstance(network, PackedNetwork):
            try:
                accelerate(network, budget.full, partial(self._try, network))
            except torch.OutOfMemoryError:
                if budget.full < _LEAST_BUDGET:
                    raise
                budget.full = budget.most = budget.full // 2
                _log.warning("out of memory at the start", budget=budget.full)
            else:
                return

    def _try(self, network: PackedNetwork, rows: int) -> None:
        """Runs the network once over silence in segments that fill almost so many rows, and waits for it."""
        together = max(1, rows // _TRIAL_ROWS)
        frames = (min(rows, _TRIAL_ROWS) - network.encoder.gap) * network.stack.stride
        waves = [np.zeros(frames * HOP - HOP + FRAME, np.float32)] * together
        self._launch(network, waves, list(range(together)), [_Spoken() for _ in waves])()

    def _transcription(self, spoken: _Spoken) -> Transcription:
        tokenizer = self._tokenizer
        text = tokenizer.clean_up_tokenization(spoken.text) if tokenizer.clean_up_tokenization_spaces else spoken.text
        margin = spoken.margin if np.isfinite(spoken.margin) else None
        return Transcription(
            text, spoken.words, self.model, self.model_revision, language=self._language, margin=margin
        )


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
        return PackedNetwork(checkpoint.model, checkpoint.stack, device, dtype)
    return PaddedNetwork(copy.deepcopy(checkpoint.model), checkpoint.hear, device, dtype, checkpoint.stack)
