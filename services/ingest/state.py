"""What ingest's keyed workers remember between records. The fields are documented in `schemas/`."""

from ringtrue.messages import CallRegistered, message


@message
class RegisteredCall:
    """The register's entry of a call (ingest-register.state)."""

    latest: CallRegistered
    sidecar_etag: str | None = None
    sidecar: dict[str, str]
    metadata: dict[str, str]
    hour_ms: int | None = None
    wanted: bool


@message
class ManifestCase:
    """A case that a manifest object holds (ingest-manifests.state)."""

    order_number: str
    case_id: str
    row: int
    revision: int
