"""The CTC engine: `engine` is what to call; `checkpoint`, `networks`, `collapse` are a segment's way through it."""
