"""`ringtrue service ingest`: the workers intake, register, segment and manifests."""

from ringtrue import times
from ringtrue.manifests.layouts import load_layouts
from ringtrue.service import Context, Service
from ringtrue.storage import open_store
from ringtrue.streaming.worker import Worker
from services.ingest.audio.decode import DecodeLimits
from services.ingest.audio.hearing import HearingSettings
from services.ingest.cases import Manifests
from services.ingest.intake import Intake
from services.ingest.metadata import DEFAULT_FILE_NAME, file_name_pattern
from services.ingest.reconcile import Reconciler, make_reconcilers
from services.ingest.register import Register
from services.ingest.segment import Segment


def _workers(context: Context) -> list[Worker]:
    settings = context.settings
    ingest = settings.ingest
    source = open_store(settings.source, settings.s3)
    store = source.store
    return [
        Intake(source.bucket, source.prefix),
        Register(
            store,
            settings.zone,
            file_name_pattern(ingest.file_name_pattern or DEFAULT_FILE_NAME),
            select_all=settings.selection == "all",
            partitions=context.log.partitions,
        ),
        Segment(
            store,
            context.log,
            HearingSettings(country=settings.country),
            DecodeLimits.of(ingest),
            decoders=ingest.decoders,
            max_backlog_s=ingest.max_backlog_h * 3600,
        ),
        Manifests(store, load_layouts(ingest.layouts), settings.zone, times.processed_day(ingest.manifest_day)),
    ]


def _jobs(context: Context) -> list[Reconciler]:
    return make_reconcilers(context.settings, context.log, context.codec)


SERVICE = Service("ingest", "registers recordings and orders; hears and cuts recordings", _workers, _jobs)
