"""The Whisper engine: `engine` is what to load; `decoder` runs the model, `guards` judge what it wrote."""
