"""The transactional worker: log port, embedded adapter, codec, state, dead letters, timers. See `worker.py` first."""
