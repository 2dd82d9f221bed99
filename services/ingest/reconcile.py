"""Reconcile: ingest lists its bucket from time to time, for a notification is only a hint and some never come.

What a listing brings goes the way of the notified, to the register, which drops what it knows already; what it did not
know is counted as recovered. Each listing is of the whole bucket: S3 cannot list by age, so looking back less far would
ask the store the same, and the readers of coverage marks do not piece several stretches of time together.
"""

import random
import threading

import structlog

from ringtrue import times
from ringtrue.errors import Away
from ringtrue.settings import Settings
from ringtrue.storage import open_store
from ringtrue.streaming.codec import Codec
from ringtrue.streaming.port import Log
from ringtrue.telemetry import LAST_LISTING
from services.ingest.listing import Lister

_log = structlog.get_logger()

_BACK_OFF_S = (1.0, 60.0)


class Reconciler:
    """Lists a bucket again and again.

    Args:
        lister: Of the deployment's source.
        every_s: From the end of a listing to the next one.
        skip_s: Objects younger than this are left to their notifications.
    """

    name = "ingest-reconcile"

    def __init__(self, lister: Lister, *, every_s: float, skip_s: float) -> None:
        self._lister = lister
        self._every_s = every_s
        self._skip_s = skip_s

    def run(self, stop: threading.Event) -> None:
        """Lists until stopped, first at once. While the store or the log is away it waits and tries again.

        Raises:
            Misconfigured: The bucket does not exist or the access keys do not open it.
        """
        back_off = _BACK_OFF_S[0]
        while not stop.is_set():
            try:
                listed = self._lister.list_once(skip_age_ms=int(self._skip_s * 1000), stop=stop)
            except Away as error:
                _log.warning("away", worker=self.name, reason=str(error), retry_s=round(back_off, 1))
                stop.wait(back_off * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, no secret
                back_off = min(_BACK_OFF_S[1], back_off * 2)
                continue
            back_off = _BACK_OFF_S[0]
            if not stop.is_set():
                LAST_LISTING.set_to_current_time()
                _log.info("listed", worker=self.name, objects=listed.objects, news=listed.news)
            stop.wait(self._every_s)


def make_reconcilers(settings: Settings, log: Log, codec: Codec) -> list[Reconciler]:
    """The reconciler of a deployment: none where the source is a folder, or where it is switched off."""
    every_s = settings.ingest.reconcile_every_s
    if "://" not in settings.source or not every_s:
        return []
    source = open_store(settings.source, settings.s3)
    lister = Lister(source, log, "reconcile", times.now_ms, codec=codec)
    return [Reconciler(lister, every_s=every_s, skip_s=settings.ingest.reconcile_skip_s)]
