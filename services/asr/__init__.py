"""Speech recognition: `engine` is the contract, `ctc`, `whisper` and `stub` keep it, `worker` puts them on the log."""
