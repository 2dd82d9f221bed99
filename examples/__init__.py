"""The sample calls, and the scripts that made them."""
