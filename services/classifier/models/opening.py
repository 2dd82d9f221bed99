"""The language model that the settings ask for, checked before the first call."""

from __future__ import annotations

from typing import Literal

from ringtrue.errors import Misconfigured
from ringtrue.settings import ClassifierSettings
from services.classifier.models.limits import Limits
from services.classifier.models.port import ChatModel, Request
from services.classifier.models.remote import CANNED, RemoteModel
from services.classifier.models.wire import PREFIX


def open_model(
    name: Literal["bedrock", "openai", "local"], model: str, settings: ClassifierSettings, canned: Request = CANNED
) -> ChatModel:
    """Makes a model ready. One behind a network is sent the canned request.

    Args:
        name: Which transport.
        model: The model's id, name or folder.
        settings: How it is reached.
        canned: A request that is known to be good, best with the prompt and the schema of the real ones.

    Raises:
        Away: It cannot be asked now.
        Misconfigured: A setting is at fault, or the packages that it needs are not installed.
    """
    if not model:
        raise Misconfigured(f"{PREFIX}MODEL is not set: which model shall be asked?")
    try:
        if name == "local":
            from services.classifier.models.local import LocalModel

            return LocalModel(model, device=settings.device)
        remote = _remote(name, model, settings, canned)
    except ModuleNotFoundError as missing:
        extra = "asr" if name == "local" else "classifier"
        raise Misconfigured(f"the model needs the package {missing.name}: install ringtrue[{extra}]") from missing
    try:
        remote.check()
    except BaseException:
        remote.close()
        raise
    return remote


def _remote(
    name: Literal["bedrock", "openai"], model: str, settings: ClassifierSettings, canned: Request
) -> RemoteModel:
    limits = Limits(settings.requests_per_minute, settings.tokens_per_minute)
    if name == "bedrock":
        from services.classifier.models.bedrock import BedrockModel

        return BedrockModel(
            model,
            region=settings.region,
            endpoint=settings.endpoint,
            api_key=settings.api_key.get_secret_value(),
            ca_file=settings.ca_file,
            timeout_s=settings.timeout_s,
            structured=settings.structured,
            prompt_caching=settings.prompt_caching,
            limits=limits,
            canned=canned,
        )
    from services.classifier.models.openai import OpenAIModel

    return OpenAIModel(
        model,
        endpoint=settings.endpoint,
        api_key=settings.api_key.get_secret_value(),
        ca_file=settings.ca_file,
        timeout_s=settings.timeout_s,
        structured=settings.structured,
        limits=limits,
        canned=canned,
    )
