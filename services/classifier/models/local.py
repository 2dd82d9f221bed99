"""A causal model of one's own, in this process: a Hugging Face checkpoint that completes requests greedily.

Requests that arrive side by side go through the model together. With a chat template the request is rendered by it;
without one, as lines that begin with "User:" and "Assistant:". Nothing makes the answer follow the schema here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from services.classifier.models.checkpoint import open_checkpoint
from services.classifier.models.port import Completion, NoAnswer, Request

#: Requests that go through the model together.
_BATCH: Final = 8
#: How long a request waits for others.
_LINGER_S: Final = 0.005
_TURN: Final = "\nUser:"


@dataclass(frozen=True, slots=True)
class _Prompt:
    ids: list[int]
    max_tokens: int
    done: Future[Completion]


class LocalModel:
    """A `ChatModel` of a folder.

    Args:
        model: The folder.
        device: `auto` (a GPU when there is one), `cpu` or `cuda:N`.
        batch: So many requests go through the model together.

    Raises:
        Misconfigured: The checkpoint cannot be used, or there is no such device.
    """

    name = "local"

    def __init__(self, model: str, *, device: str = "auto", batch: int = _BATCH) -> None:
        self._checkpoint = open_checkpoint(model, AutoModelForCausalLM, device)
        self.model = self._checkpoint.name
        tokenizer, network = self._checkpoint.tokenizer, self._checkpoint.network
        self._ends = _ids_of(network.generation_config.eos_token_id) | _ids_of(tokenizer.eos_token_id)
        padding = tokenizer.pad_token_id
        self._padding = padding if padding is not None else min(self._ends, default=0)
        # The checkpoint's own generation config may sample, or punish repetition.
        self._greedy = GenerationConfig(
            do_sample=False, num_beams=1, eos_token_id=sorted(self._ends) or None, pad_token_id=self._padding
        )
        self._control = sorted(tokenizer.get_added_vocab(), key=len, reverse=True)
        self._queue = SimpleQueue[_Prompt | None]()
        self._batch = batch
        self._thread = threading.Thread(target=self._work, name="local model", daemon=True)
        self._thread.start()

    def complete(self, request: Request) -> Completion:
        """See `ChatModel`."""
        ids = self._ids(request)
        longest = self._checkpoint.longest
        if longest is not None and len(ids) + request.max_tokens > longest:
            raise NoAnswer("stopped: the request is longer than the model's context window")
        prompt = _Prompt(ids, request.max_tokens, Future())
        self._queue.put(prompt)
        return prompt.done.result()

    def close(self) -> None:
        """See `ChatModel`."""
        self._queue.put(None)
        self._thread.join()

    def _ids(self, request: Request) -> list[int]:
        tokenizer = self._checkpoint.tokenizer
        turns = [("system", request.system)]
        for asked, answered in request.examples:
            turns += [("user", asked), ("assistant", answered)]
        turns.append(("user", self._as_text(request.user)))
        if tokenizer.chat_template:
            messages = [{"role": role, "content": text} for role, text in turns]
            ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        else:
            lines = [text if role == "system" else f"{role.capitalize()}: {text}" for role, text in turns]
            ids = tokenizer("\n".join([*lines, "Assistant:"]))["input_ids"]
        return [int(one) for one in ids]

    def _as_text(self, text: str) -> str:
        """Takes what looks like a control token of the model apart: nobody in a call may end the turn of the user."""
        for token in self._control:
            if len(token) > 1 and not token.isspace():
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _work(self) -> None:
        for prompts in _gathered(self._queue.get, self._batch):
            for prompt, outcome in zip(prompts, self._completed(prompts), strict=True):
                if isinstance(outcome, Completion):
                    prompt.done.set_result(outcome)
                else:
                    prompt.done.set_exception(outcome)

    def _completed(self, prompts: Sequence[_Prompt]) -> Sequence[Completion | Exception]:
        try:
            return [self._completion(*pair) for pair in zip(prompts, self._generated(prompts), strict=True)]
        except torch.OutOfMemoryError:
            if len(prompts) == 1:
                return [NoAnswer("stopped: the device has no memory for so long a request")]
        except Exception as failure:  # whoever asked gets it, and ends the process if it is ours
            return [failure] * len(prompts)
        half = len(prompts) // 2
        return [*self._completed(prompts[:half]), *self._completed(prompts[half:])]

    def _generated(self, prompts: Sequence[_Prompt]) -> list[list[int]]:
        """The tokens that the model adds to each prompt; they are padded on the left, where nothing reads them."""
        width = max(len(prompt.ids) for prompt in prompts)
        ids = torch.full((len(prompts), width), self._padding)
        mask = torch.zeros((len(prompts), width), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt.ids) :] = torch.tensor(prompt.ids)
            mask[row, width - len(prompt.ids) :] = 1
        stopping: dict[str, Any] = {}
        if not self._checkpoint.tokenizer.chat_template:
            stopping = {"stop_strings": [_TURN], "tokenizer": self._checkpoint.tokenizer}
        device = self._checkpoint.device
        with torch.inference_mode():
            whole = self._checkpoint.network.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                generation_config=self._greedy,
                max_new_tokens=max(prompt.max_tokens for prompt in prompts),
                **stopping,
            )
        rows: list[list[int]] = whole[:, width:].tolist()
        return rows

    def _completion(self, prompt: _Prompt, added: list[int]) -> Completion | NoAnswer:
        added = added[: prompt.max_tokens]
        end = next((place for place, one in enumerate(added) if one in self._ends), None)
        text = self._checkpoint.tokenizer.decode(added[:end], skip_special_tokens=True)
        if not self._checkpoint.tokenizer.chat_template and _TURN in text:
            text, end = text.split(_TURN)[0], len(added)
        if end is None:
            return NoAnswer("stopped: max_tokens")
        return Completion(text.strip(), len(prompt.ids), end, self._checkpoint.name)


def _gathered(get: Callable[..., _Prompt | None], most: int) -> Iterator[list[_Prompt]]:
    """Batches of what comes, until there is nothing more to come."""
    while (first := get()) is not None:
        prompts = [first]
        ended = False
        while len(prompts) < most:
            try:
                other = get(timeout=_LINGER_S)
            except Empty:
                break
            if other is None:
                ended = True
                break
            prompts.append(other)
        yield prompts
        if ended:
            return


def _ids_of(ids: int | list[int] | None) -> set[int]:
    return set() if ids is None else {ids} if isinstance(ids, int) else set(ids)
