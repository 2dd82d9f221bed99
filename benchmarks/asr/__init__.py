"""The CTC engine against transformers: the same checkpoint, segments, machine and threads, in one run.

`segments` makes what is transcribed, `sides` holds the two ways to do it, `__main__` times them and prints the tables.
"""
