"""Messages of every class, made by hypothesis from the classes themselves."""

import types
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

# Importing them makes the services' state known to the codec.
import services.assembler.state
import services.compliance.state
import services.ingest.state  # noqa: F401
from ringtrue.messages import REGISTRY

MESSAGES = sorted(REGISTRY)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    type(None): st.none(),
}


def messages(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a message class, or of the type of one of its fields."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: messages(hints[field.name]) for field in fields(kind)})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return st.lists(messages(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(messages(arguments[0]), messages(arguments[1]), max_size=2)
    if origin in (types.UnionType, Union):
        return st.one_of(*(messages(argument) for argument in arguments))
    raise TypeError(f"no values are known for {kind}")
