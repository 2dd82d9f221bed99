"""`ringtrue service classifier`."""

from ringtrue.service import Context, Service
from services.classifier.engines import load_engine
from services.classifier.worker import ClassifierWorker


def _workers(context: Context) -> list[ClassifierWorker]:
    return [ClassifierWorker(load_engine(context.settings.classifier.engine))]


SERVICE = Service("classifier", "names the outcome of each call", _workers)
