"""`ringtrue service classifier`."""

from ringtrue.service import Context, Service
from services.classifier.engines import load_engine
from services.classifier.worker import ClassifierWorker


def _workers(context: Context) -> list[ClassifierWorker]:
    settings = context.settings
    return [ClassifierWorker(load_engine(settings.classifier, data_dir=settings.data_dir, zone=settings.zone))]


SERVICE = Service("classifier", "names the outcome of each call", _workers)
