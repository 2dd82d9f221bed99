"""What every call of a client has in common: it may be the moment at which the process dies, sleeps or is refused.

A call is where threads change places, so each one is a place for a fault (`faults.py`): before its effect, instead
of it, or after it.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Concatenate, NoReturn, ParamSpec, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tests.simulator.faults import Fault
from tests.simulator.partition import Refused
from tests.simulator.schedule import Killed

if TYPE_CHECKING:
    from tests.simulator.world import World

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound="Client")

#: Calls that the library may give up; only errors of the first kind say that the same call may be made again.
_SAYS_AGAIN = frozenset({"init_transactions", "send_offsets_to_transaction", "commit_transaction", "abort_transaction"})
_GIVEN_UP = _SAYS_AGAIN | {"committed", "get_watermark_offsets", "list_topics", "list_offsets"}
_NEVER_S = 1e9


class Client:
    """A client of the simulated cluster, belonging to the process that made it.

    Args:
        world: The cluster.
        closed: What the library says to a call after `close`.
    """

    def __init__(self, world: "World", closed: str) -> None:
        self._world = world
        self._schedule = world.schedule
        self._process = world.schedule.process()
        self._closed = False
        self._said_when_closed = closed
        self._fault: Fault | None = None  # of the call under way

    def _enter(self, name: str) -> None:
        self._schedule.step()
        if self._process.dead:
            raise Killed
        if self._closed:
            if name == "close":
                return
            raise RuntimeError(self._said_when_closed)
        self._fault = self._world.fault(self._process, name)
        if self._fault is Fault.KILL_BEFORE:
            self._die()
        if self._fault is Fault.FREEZE:
            self._freeze()
        if self._fault is Fault.GIVEN_UP and name in _GIVEN_UP:
            raised(KafkaError._TRANSPORT, "Local: Broker transport failure", retriable=name in _SAYS_AGAIN)

    def _say(self, name: str, args: tuple[object, ...], outcome: object) -> None:
        if self._world.trace is not None and outcome is not None and outcome != []:
            told = [shown(one) for one in args if not callable(one)]
            self._world.say(f"{self._process.name} {name}{tuple(told)} -> {shown(outcome)}")

    def _leave(self, fault: Fault | None) -> None:
        if fault is Fault.KILL_AFTER:
            self._die()

    def _die(self) -> NoReturn:
        self._world.kill(self._process)
        raise Killed

    def _freeze(self) -> None:
        """The whole process stands still, for longer than a session."""
        seconds = self._world.freeze_s()
        self._process.frozen_until = self._schedule.now() + seconds
        self._schedule.sleep(seconds)

    def _deadline(self, timeout: float) -> float:
        return self._schedule.now() + (_NEVER_S if timeout < 0 else timeout)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Turns a broker's refusal into the exception of the library."""
        try:
            yield
        except Refused as refused:
            raised(refused.code)


def call(method: Callable[Concatenate[C, P], T]) -> Callable[Concatenate[C, P], T]:
    """Makes a method a call of the library."""

    @functools.wraps(method)
    def calling(self: C, /, *args: P.args, **kwargs: P.kwargs) -> T:
        self._enter(method.__name__)
        fault = self._fault
        try:
            result = method(self, *args, **kwargs)
        except Exception as error:
            self._say(method.__name__, args, error)
            raise
        self._say(method.__name__, args, result)
        self._leave(fault)
        return result

    return calling


def raised(
    code: int,
    text: str | None = None,
    *,
    retriable: bool = False,
    fatal: bool = False,
    abort: bool = False,
) -> NoReturn:
    """Raises what the library raises."""
    raise KafkaException(KafkaError(code, text, fatal=fatal, retriable=retriable, txn_requires_abort=abort))


def shown(what: object) -> str:
    """For the trace: messages by their place."""
    if isinstance(what, Message):
        error = what.error()
        return f"{what.topic()}/{what.partition()}/{what.offset()}" + (f" {error.name()}" if error else "")
    if isinstance(what, TopicPartition):
        return f"{what.topic}/{what.partition}@{what.offset}"
    if isinstance(what, list):
        return "[" + ", ".join(map(shown, what)) + "]"
    return str(what)[:200]
