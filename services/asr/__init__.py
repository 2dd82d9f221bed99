"""Speech recognition: `engine` is what to call, `ctc` runs the model, `frontend` and `collapse` are its two ends."""
