"""The engines that there are, by the name that `RINGTRUE_CLASSIFIER__ENGINE` takes."""

from collections.abc import Callable

from ringtrue.errors import Misconfigured
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import Classifier

ENGINES: dict[str, Callable[[], Classifier]] = {"embedded": EmbeddedEngine}


def load_engine(name: str) -> Classifier:
    """Makes an engine ready.

    Raises:
        Misconfigured: There is no such engine, or it cannot be used.
    """
    if name not in ENGINES:
        raise Misconfigured(
            f"RINGTRUE_CLASSIFIER__ENGINE={name!r}: there is no such engine; allowed: {', '.join(ENGINES)}"
        )
    return ENGINES[name]()
