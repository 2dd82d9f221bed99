"""What a call to a remote model costs on the service's side: everything but the model.

    python -m benchmarks.llm_calls [--calls 600]

A stub in a process of its own answers Converse and chat completions, at once and after 200 ms. Threads of this process
ask it, with a request of the size of a real one: instructions of 3 KB, eight examples, a call of 200 words. *bare* is
http.client with the same bytes: what loopback and the stub take. *CPU* is this process's, for one call; Python holds
one core, so its reciprocal bounds the calls a second of one process.
"""

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from urllib.parse import urlsplit

from benchmarks.logs import percentile
from benchmarks.tables import say, show, table
from services.classifier.models.bedrock import BedrockModel
from services.classifier.models.limits import Limits
from services.classifier.models.openai import OpenAIModel
from services.classifier.models.port import Request
from tests.unit.classifier.models.stub import Stub, serving

_LATENCIES_MS = (0, 200)
_THREADS = (1, 8, 32)
_WORDS = ("allô", "oui", "bonjour", "monsieur", "السلام", "عليكم", "بغيت", "نلغيه", "demain", "technicien")

REQUEST = Request(
    system="You say what a call shows. " * 110,
    examples=tuple((json.dumps({"words": _WORDS}), '{"outcome": 3, "behaviour": 1, "cited": []}') for _ in range(8)),
    user=json.dumps({"words": [f"{place}:{_WORDS[place % 10]}" for place in range(200)]}, ensure_ascii=False),
    schema={"type": "object", "properties": {"outcome": {"enum": [0, 1, 2, 3, 4]}}, "required": ["outcome"]},
    max_tokens=200,
)


def main(calls: int) -> None:
    """Measures, and prints the table."""
    made = table(
        f"One call to a remote model, n={calls} (with a latency: 20 for each thread)",
        f"{os.cpu_count()} cores shared with the stub, Python {platform.python_version()}, "
        f"boto3 {version('boto3')}, urllib3 {version('urllib3')}",
        ["asked by", "answers after", "threads"],
        ["calls/s", "p50 ms", "p95 ms", "CPU ms/call"],
    )
    for latency_ms in _LATENCIES_MS:
        with _stub(latency_ms) as stub:
            for name, ask in _asking(stub.url).items():
                for threads in _THREADS:
                    say(f"{name}, {latency_ms} ms, {threads} threads")
                    count = threads * 20 if latency_ms else calls
                    row = _measured(ask, count, threads)
                    made.add_row(name, f"{latency_ms} ms" if latency_ms else "at once", str(threads), *row)
    show(made)


class _stub:  # noqa: N801 - a context manager that reads like a function
    """The stub in a process of its own, that it takes no time of this one."""

    def __init__(self, latency_ms: int) -> None:
        command = [sys.executable, "-m", "benchmarks.llm_calls", "--serve", str(latency_ms)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def __enter__(self) -> "_stub":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _serve(latency_ms: int) -> None:
    with serving(Stub(latency_s=latency_ms / 1000)) as stub:
        print(stub.url, flush=True)
        sys.stdin.read()


def _asking(url: str) -> dict[str, Callable[[], object]]:
    bedrock = BedrockModel("any", region="eu-west-3", endpoint=url, api_key="synthetic")
    os.environ |= {"AWS_ACCESS_KEY_ID": "AKIASYNTHETIC", "AWS_SECRET_ACCESS_KEY": "synthetic"}
    signed = BedrockModel("any", region="eu-west-3", endpoint=url)
    openai = OpenAIModel("any", endpoint=f"{url}/v1")
    limited = OpenAIModel("any", endpoint=f"{url}/v1", limits=Limits(10_000_000, 1_000_000_000))
    return {
        "bare": _bare(url, json.dumps(openai._body(REQUEST), ensure_ascii=False).encode()),
        "openai": lambda: openai.complete(REQUEST),
        "openai, limits": lambda: limited.complete(REQUEST),
        "bedrock, key": lambda: bedrock.complete(REQUEST),
        "bedrock, signed": lambda: signed.complete(REQUEST),
    }


def _bare(url: str, body: bytes) -> Callable[[], object]:
    here = threading.local()

    def ask() -> object:
        if not hasattr(here, "connection"):
            here.connection = http.client.HTTPConnection(urlsplit(url).netloc)
        here.connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        return json.loads(here.connection.getresponse().read())

    return ask


def _measured(ask: Callable[[], object], calls: int, threads: int) -> list[str]:
    def timed(_: int) -> float:
        started = time.perf_counter()
        ask()
        return (time.perf_counter() - started) * 1000

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(timed, range(2 * threads)))  # connections
        cpu, started = time.process_time(), time.perf_counter()
        times = list(pool.map(timed, range(calls)))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return [
        f"{calls / seconds:,.0f}",
        f"{percentile(times, 0.5):.1f}",
        f"{percentile(times, 0.95):.1f}",
        f"{cpu / calls * 1000:.2f}",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a call to a remote model costs on the service's side.")
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        _serve(arguments.serve)
    else:
        main(arguments.calls)
