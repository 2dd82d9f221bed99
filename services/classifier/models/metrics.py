"""What the language models' transports show of themselves, beside what every worker shows (`ringtrue.telemetry`)."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("ringtrue_llm_requests", "HTTP requests to language models, by how they ended", ["outcome"])
REQUEST_SECONDS = Histogram(
    "ringtrue_llm_request_seconds",
    "From connecting to the last byte of an answer",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
CACHED = Counter("ringtrue_llm_cached_tokens", "Input tokens that a server had in its cache, or put there", ["how"])
LIMITED = Counter("ringtrue_llm_limit_wait_seconds", "Time that requests waited for our own limits")
BREAKER_OPEN = Gauge(
    "ringtrue_llm_breaker_open", "1 while no model is asked because it failed too often in a row", ["breaker"]
)
