"""The assembler rebuilds each call from its parts, by call id: `assembly.py` joins words, `worker.py` keeps count."""
