"""`ringtrue service asr`: one process per device."""

from ringtrue.resources import resource
from ringtrue.service import Context, Service
from services.asr.engine import EngineOptions
from services.asr.worker import Asr


def _workers(context: Context) -> list[Asr]:
    settings = context.settings.asr
    shipped = str(resource("models/demo")) if settings.engine == "ctc" else ""
    options = EngineOptions(
        model=settings.model or shipped,
        device=settings.device,
        precision=settings.precision,
        guard=settings.guard,
        batch_s=settings.batch_s,
        language=settings.language,
        prompt=settings.prompt,
        vocabulary=tuple(word.strip() for word in settings.vocabulary.split(",") if word.strip()),
        beams=settings.beams,
        allow_pickle=settings.allow_pickle,
    )
    return [Asr(context.log, settings.engine, options, linger_s=settings.linger_ms / 1000)]


SERVICE = Service("asr", "turns segments of audio into words with times", _workers)
