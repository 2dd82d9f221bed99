"""Register: joins a recording with its metadata, removes duplicates, counts runs. It alone decides what is a duplicate.

A notification is a hint: what is registered is what the store says of the object at this moment. A recording's new
version, a command or a retry is a new run; a sidecar that comes late or is corrected raises the revision only. A
sidecar whose recording is not known yet is left alone: the recording will look for it.
"""

import re
from dataclasses import replace
from zoneinfo import ZoneInfo

from ringtrue.errors import BadRecord
from ringtrue.messages import (
    CallCommand,
    CallRegistered,
    CallRequested,
    CallWanted,
    CoverageMark,
    HourCount,
    ObjectSeen,
)
from ringtrue.storage import ObjectChanged, ObjectError, ObjectGone, ObjectInfo, ObjectStore
from ringtrue.streaming.step import Step
from ringtrue.streaming.topics import CALLS_REGISTERED, CALLS_REQUESTED, READ_BY, state_of
from ringtrue.streaming.worker import Worker
from ringtrue.telemetry import DROPPED, RECOVERED
from services.ingest.metadata import BrokenSidecar, Merged, from_key, from_user_metadata, merge, read_sidecar
from services.ingest.objects import AUDIO_SUFFIXES, MANIFEST_SUFFIXES, SIDECAR_SUFFIXES
from services.ingest.state import RegisteredCall

_HOUR_MS = 3_600_000
#: A sidecar holds half a dozen short fields.
_SIDECAR_BYTES = 1_000_000


class Register(Worker):
    """`recordings.seen`, `calls.wanted` and `calls.commands` to `calls.registered` and `calls.requested`.

    Args:
        store: Where the objects are.
        zone: Of the local times in metadata.
        file_names: Pattern by which a file name tells whose call it is.
        select_all: Whether each call is requested once registered, or only when an order wants it.
        partitions: Of every topic; coverage marks go to each.
    """

    name = "ingest-register"
    inputs = READ_BY["ingest-register"]
    state = state_of("ingest-register").name

    def __init__(
        self, store: ObjectStore, zone: ZoneInfo, file_names: re.Pattern[str], *, select_all: bool, partitions: int
    ) -> None:
        self._store = store
        self._zone = zone
        self._file_names = file_names
        self._select_all = select_all
        self._partitions = partitions

    def handle(self, step: Step) -> None:
        """See `Worker.handle`."""
        match step.message:
            case ObjectSeen() as seen if self._refused_before(step, seen):
                DROPPED.labels(self.name, "refused before").inc()
            case ObjectSeen(kind="audio") as seen:
                self._recording(step, seen)
            case ObjectSeen(kind="sidecar") as seen:
                self._sidecar(step, seen)
            case CoverageMark() as mark:
                self._forward(step, mark)
            case CallWanted() as wanted:
                self._wanted(step, wanted)
            case CallCommand() as command:
                self._command(step, command)
            case ObjectSeen() as seen:
                known = ", ".join((*AUDIO_SUFFIXES, *SIDECAR_SUFFIXES, *MANIFEST_SUFFIXES))
                raise BadRecord(
                    "unknown_suffix", f"{seen.key} is no recording, sidecar or manifest: its name must end in {known}"
                )
            case other:
                raise BadRecord("unexpected", f"the register does not expect a {type(other).__name__}")

    def _refused_before(self, step: Step, seen: ObjectSeen) -> bool:
        refused = step.get(_refused(seen.bucket, seen.key), ObjectSeen)
        return refused is not None and refused.etag == seen.etag and step.headers.get("origin") != "retry"

    def _recording(self, step: Step, seen: ObjectSeen) -> None:
        call_id = str(seen.call_id)
        entry = step.get(_call(call_id), RegisteredCall)
        if entry is not None and _is_listed(seen) and (seen.key, seen.etag) == (entry.latest.key, entry.latest.etag):
            DROPPED.labels(self.name, "duplicate").inc()
            return
        info = self._stat(step, seen)
        if entry is not None and entry.latest.key != seen.key:
            raise BadRecord(
                "duplicate_recording",
                f"{seen.key} has the same name as {entry.latest.key}, which is registered as this call: "
                "remove one of them, or rename it",
            )
        if entry is not None and entry.latest.etag == info.etag:
            DROPPED.labels(self.name, "duplicate").inc()
            return
        sidecar_etag, sidecar = self._find_sidecar(step, seen, entry)
        run = seen.event_time_ms if entry is None else max(entry.latest.run + 1, seen.event_time_ms)
        wanted = entry is not None and entry.wanted
        fresh = RegisteredCall(
            latest=self._describe(step, call_id, info, sidecar, run, run, requested=self._select_all or wanted),
            sidecar_etag=sidecar_etag,
            sidecar=sidecar,
            metadata=info.metadata,
            wanted=wanted,
        )
        self._publish(step, entry, fresh, request=self._select_all or wanted)
        _count_recovered(seen)

    def _sidecar(self, step: Step, seen: ObjectSeen) -> None:
        entry = step.get(_call(str(seen.call_id)), RegisteredCall)
        if entry is not None and _is_listed(seen) and seen.etag == entry.sidecar_etag:
            DROPPED.labels(self.name, "duplicate").inc()
            return
        info = self._stat(step, seen)
        if entry is None or entry.sidecar_etag == info.etag:
            DROPPED.labels(self.name, "duplicate" if entry else "sidecar first").inc()
            return
        data = self._store.get(seen.bucket, seen.key, info.etag, _SIDECAR_BYTES)
        try:
            sidecar = read_sidecar(data)
        except BrokenSidecar as error:
            raise BadRecord("broken_sidecar", f"{seen.key}: {error}; what was known of the call stays") from error
        old = entry.latest
        revision = max(old.revision + 1, seen.event_time_ms)
        recording = ObjectInfo(
            old.bucket, old.key, old.etag, old.size, old.arrived_at_ms or info.modified_ms, entry.metadata
        )
        latest = self._describe(step, old.call_id, recording, sidecar, old.run, revision, requested=old.requested)
        fresh = replace(entry, latest=latest, sidecar=sidecar, sidecar_etag=info.etag)
        self._publish(step, entry, fresh, request=False)
        _count_recovered(seen)

    def _wanted(self, step: Step, wanted: CallWanted) -> None:
        entry = step.get(_call(wanted.call_id), RegisteredCall)
        if entry is None:
            message = f"{wanted.case_id} wants a call that is not registered; run `ringtrue reconcile`"
            raise BadRecord("unknown_call", message)
        if not entry.wanted:
            asked = not entry.latest.requested
            latest = replace(entry.latest, requested=True, revision=max(entry.latest.revision + 1, step.now_ms))
            self._publish(step, entry, replace(entry, wanted=True, latest=latest), request=asked)

    def _command(self, step: Step, command: CallCommand) -> None:
        entry = step.get(_call(command.call_id), RegisteredCall)
        if entry is None:
            raise BadRecord("unknown_call", f"{command.call_id} is not registered; see `ringtrue calls`")
        run = max(entry.latest.run + 1, command.event_time_ms)
        latest = replace(entry.latest, run=run, revision=run, requested=True, event_time_ms=step.now_ms)
        self._publish(step, entry, replace(entry, latest=latest), request=True)

    def _forward(self, step: Step, mark: CoverageMark) -> None:
        hours = tuple(count for _, count in step.scan("hour:", HourCount))
        for partition in range(self._partitions):
            forwarded = replace(mark, source_partition=step.partition, hours=hours)
            step.send(CALLS_REGISTERED, "coverage", forwarded, partition=partition)

    def _stat(self, step: Step, seen: ObjectSeen) -> ObjectInfo:
        info = self._store.stat(seen.bucket, seen.key)
        # What was announced is a hint; what is refused and remembered is what the store holds.
        step.message = replace(seen, etag=info.etag)
        return info

    def _find_sidecar(
        self, step: Step, seen: ObjectSeen, entry: RegisteredCall | None
    ) -> tuple[str | None, dict[str, str]]:
        """The sidecar's version and fields; those known before, when it is broken."""
        known_etag, known = (entry.sidecar_etag, entry.sidecar) if entry else (None, {})
        stem = str(seen.call_id).removeprefix(f"{seen.bucket}/")
        for suffix in (s for name in SIDECAR_SUFFIXES for s in (name, name.upper())):
            key, etag, data = stem + suffix, None, None
            try:
                etag = self._store.stat(seen.bucket, key).etag
                refused = step.get(_refused(seen.bucket, key), ObjectSeen)
                if etag == known_etag or (refused is not None and refused.etag == etag):
                    return etag, known
                data = self._store.get(seen.bucket, key, etag, _SIDECAR_BYTES)
                return etag, read_sidecar(data)
            except (ObjectGone, ObjectChanged):
                continue  # what is being written at this moment will be announced
            except (ObjectError, BrokenSidecar) as error:
                problem = BadRecord("broken_sidecar", f"{key}: {error}; the call is registered without it")
                step.refuse(problem, subject=f"{seen.bucket}/{key}", part=data)
                return etag, known
        return None, {}

    def _describe(
        self,
        step: Step,
        call_id: str,
        info: ObjectInfo,
        sidecar: dict[str, str],
        run: int,
        revision: int,
        *,
        requested: bool,
    ) -> CallRegistered:
        merged = self._merged(info.key, sidecar, info.metadata)
        known = merged.metadata
        return CallRegistered(
            call_id=call_id,
            run=run,
            revision=revision,
            status="registered",
            bucket=info.bucket,
            key=info.key,
            etag=info.etag,
            size=info.size,
            requested=requested,
            client_number=known.client_number,
            agent_number=known.agent_number,
            external_id=known.external_id,
            branch=known.branch,
            started_at_ms=known.started_at_ms,
            ended_at_ms=known.ended_at_ms,
            warnings=merged.warnings,
            arrived_at_ms=info.modified_ms,
            event_time_ms=step.now_ms,
        )

    def _merged(self, key: str, sidecar: dict[str, str], metadata: dict[str, str]) -> Merged:
        sources = {
            "the sidecar": sidecar,
            "the object's metadata": from_user_metadata(metadata),
            "the file name": from_key(key, self._file_names),
        }
        return merge(sources, self._zone)

    def _publish(self, step: Step, old: RegisteredCall | None, new: RegisteredCall, *, request: bool) -> None:
        latest = new.latest
        known_ms = latest.started_at_ms or (old and old.hour_ms) or latest.run
        hour_ms = known_ms // _HOUR_MS * _HOUR_MS
        if old is not None and old.hour_ms is not None:
            self._count(step, old.hour_ms, -1, old.latest)
        self._count(step, hour_ms, 1, latest)
        step.put(_call(latest.call_id), replace(new, hour_ms=hour_ms))
        step.send(CALLS_REGISTERED, latest.call_id, latest)
        if request:
            known = self._merged(latest.key, new.sidecar, new.metadata).metadata
            step.send(
                CALLS_REQUESTED,
                latest.call_id,
                CallRequested(
                    call_id=latest.call_id,
                    run=latest.run,
                    revision=latest.revision,
                    bucket=latest.bucket,
                    key=latest.key,
                    etag=latest.etag,
                    size=latest.size,
                    agent_channel=known.agent_channel,
                    event_time_ms=step.now_ms,
                ),
            )

    def _count(self, step: Step, hour_ms: int, by: int, call: CallRegistered) -> None:
        key = f"hour:{hour_ms:015d}"
        count = step.get(key, HourCount) or HourCount(hour_ms=hour_ms, registered=0, unassigned=0, undated=0)
        unassigned = call.client_number is None
        if unassigned and call.started_at_ms is None:
            count = replace(count, undated=count.undated + by)
        else:
            count = replace(
                count, registered=count.registered + by, unassigned=count.unassigned + (by if unassigned else 0)
            )
        step.put(key, count)

    def refused(self, step: Step, problem: BadRecord) -> None:
        """A wanted call that the register does not know is answered as failed; a refused object is remembered.

        One that is gone is not: it may be put back, and no listing will show it before.
        """
        if isinstance(step.message, ObjectSeen) and not isinstance(problem, ObjectGone):
            step.put(_refused(step.message.bucket, step.message.key), step.message)
        if isinstance(step.message, CallWanted):
            call_id = step.message.call_id
            failed = CallRegistered(
                call_id=call_id,
                run=0,
                revision=step.now_ms,
                status="failed",
                failure=self.failure(problem),
                bucket="",
                key="",
                etag="",
                size=0,
                requested=False,
                warnings=(),
                event_time_ms=step.now_ms,
            )
            step.send(CALLS_REGISTERED, call_id, failed)


def _call(call_id: str) -> str:
    return f"call:{call_id}"


def _refused(bucket: str, key: str) -> str:
    return f"refused:{bucket}/{key}"


def _count_recovered(seen: ObjectSeen) -> None:
    """Counts news that a listing brought: without it they would have been lost, or at least later."""
    if seen.origin == "reconcile":
        RECOVERED.labels(seen.kind).inc()


def _is_listed(seen: ObjectSeen) -> bool:
    """Whether a listing has this from the store itself: when it says nothing new, the store need not be asked."""
    return seen.origin in ("scan", "reconcile")
