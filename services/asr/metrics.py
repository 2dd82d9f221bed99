"""What an engine and its worker show of themselves, beside what every worker shows (`ringtrue.telemetry`)."""

from prometheus_client import Counter, Gauge, Histogram

QUEUE_AGE = Histogram(
    "ringtrue_asr_queue_age_seconds",
    "From a segment's timestamp to the moment it was taken up",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400),
)
BACKLOG = Gauge(
    "ringtrue_asr_backlog_audio_seconds", "Audio before this service: segments waiting, by their mean length"
)
BATCHES = Counter("ringtrue_asr_batches", "Batches that went through the model")
BATCH_FILL = Histogram(
    "ringtrue_asr_batch_fill_ratio",
    "How much of a batch's budget was used",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
)
POSITIONS = Counter("ringtrue_asr_positions", "Model positions computed, by whether they hold audio", ["what"])
RERUNS = Counter(
    "ringtrue_asr_reruns", "Segments transcribed again in float32, because the margin did not vouch for them"
)
FALLBACKS = Counter("ringtrue_asr_fallbacks", "Windows decoded again at a higher temperature")
DROPPED = Counter("ringtrue_asr_texts_dropped", "Windows whose text was not believed, by why", ["why"])
HALVINGS = Counter("ringtrue_asr_budget_halvings", "Times the device ran out of memory, and the budget was halved")
GPU_MEMORY = Gauge("ringtrue_asr_gpu_memory_bytes", "GPU memory that this process holds")
