"""W3C trace context in record headers: one trace follows a recording to its verdicts.

Source: W3C Trace Context, `traceparent` version 00.
"""

import re
import secrets
from collections.abc import Mapping

TRACEPARENT = "traceparent"
_FORM = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def trace_id(headers: Mapping[str, bytes]) -> str:
    """The trace id that the headers carry, or a new one."""
    found = _FORM.fullmatch(headers.get(TRACEPARENT, b""))
    return found.group(1).decode() if found else secrets.token_hex(16)


def traceparent(trace: str) -> bytes:
    """A header for a record that this step of the trace writes."""
    return f"00-{trace}-{secrets.token_hex(8)}-01".encode()
