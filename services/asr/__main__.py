"""`ringtrue service asr`: one process per device."""

from ringtrue.resources import resource
from ringtrue.service import Context, Service
from services.asr.worker import Asr


def _workers(context: Context) -> list[Asr]:
    settings = context.settings.asr
    model = settings.model or str(resource("models/demo"))
    return [Asr(settings.engine, model, settings.device, batch_s=settings.batch_s, linger_s=settings.linger_ms / 1000)]


SERVICE = Service("asr", "turns segments of audio into words with times", _workers)
