"""The fault list on a real Kafka broker: what was injected, what was seen, and that nothing was lost or doubled."""
