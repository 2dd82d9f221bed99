"""What a recording sounds like: `decode` it, find `tones` and `speech`, cut `segments`; `hearing` does it all."""
