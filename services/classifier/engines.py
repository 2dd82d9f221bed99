"""The engines that there are, by the name that `RINGTRUE_CLASSIFIER__ENGINE` takes.

Packages that only some of them need are imported when one of those is chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from ringtrue.errors import Misconfigured
from ringtrue.settings import ClassifierSettings
from services.classifier.embedded import EmbeddedEngine
from services.classifier.engine import Classifier

if TYPE_CHECKING:
    from services.classifier.models.port import ChatModel, Request

#: Of models that name the outcome themselves, without a prompt.
_SEQUENCES: Final = "ForSequenceClassification"
#: Answers and spending, in the data folder.
_FILE: Final = "models.sqlite"


def load_engine(settings: ClassifierSettings, *, data_dir: Path, zone: ZoneInfo) -> Classifier:
    """The engine that the settings ask for. Models elsewhere are not reached before it is started or used.

    Args:
        settings: Which engine, and how.
        data_dir: Where it may keep files.
        zone: The operator's time zone.

    Raises:
        Away: A file of it cannot be used now.
        Misconfigured: It cannot be used.
    """
    match settings.engine:
        case "embedded":
            return EmbeddedEngine()
        case "local" if _is_of_sequences(settings.model):
            from services.classifier.models.sequence import SequenceEngine

            return SequenceEngine(settings.model, device=settings.device)
        case "bedrock" | "openai" | "local":
            return _language_model(settings.engine, settings, data_dir, zone)
        case "cascade":
            from services.classifier.cascade import CascadeEngine

            behind = settings.model_copy(update={"engine": settings.cascade_to})
            second = load_engine(behind, data_dir=data_dir, zone=zone)
            return CascadeEngine(EmbeddedEngine(), second, settings.cascade_margin)


def _is_of_sequences(model: str) -> bool:
    try:
        from services.classifier.models.checkpoint import kinds_of
    except ModuleNotFoundError as missing:
        raise Misconfigured(f"local models need the package {missing.name}: install ringtrue[asr]") from missing
    return any(kind.endswith(_SEQUENCES) for kind in kinds_of(model))


def _language_model(
    name: Literal["bedrock", "openai", "local"], settings: ClassifierSettings, data_dir: Path, zone: ZoneInfo
) -> Classifier:
    from services.classifier.models.budget import Prices
    from services.classifier.models.engine import LanguageModelEngine, Options
    from services.classifier.models.opening import open_model
    from services.classifier.models.prompt import DEFAULT_PROMPTS

    def opened(canned: Request) -> ChatModel:
        return open_model(name, settings.model, settings, canned)

    options = Options(
        language=settings.prompt_language,
        prompts=settings.prompts or DEFAULT_PROMPTS,
        plain=settings.structured == "plain",
        max_words=settings.max_words,
        redact=settings.redact_before_llm,
        overrules_lexicon=settings.model_overrules_lexicon,
        concurrency=settings.concurrency,
        prices=Prices(settings.price_input, settings.price_output, settings.budget_per_day),
        cache_entries=settings.cache_entries,
        give_up_after_s=settings.give_up_after_s,
    )
    return LanguageModelEngine(name, settings.model, opened, options, file=data_dir / _FILE, zone=zone)
