"""The decorator that makes a class a message: a frozen dataclass known to the codec by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

_T = TypeVar("_T")

#: Every message class by its Avro record name.
REGISTRY: dict[str, type[Any]] = {}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(cls: type[_T]) -> type[_T]:
    """Makes `cls` a frozen, slotted, keyword-only dataclass and registers it under its name."""
    make: Callable[[type[_T]], type[_T]] = dataclass(frozen=True, slots=True, kw_only=True)
    made = make(cls)
    REGISTRY[cls.__name__] = made
    return made
