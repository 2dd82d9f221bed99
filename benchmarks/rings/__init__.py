"""Ringtrue Rings: how well are the rings in a call counted? A seeded generator with truth, a scorer, and a baseline.

    python -m benchmarks.rings --help

`calls` draws a call from a seed and `script` plays it: `sounds` and `voices` make what is heard in it, `line` does to
it what telephone lines do, `codecs` sends it through a real encoder. `tones.yaml` holds the countries' tones, a table
of its own so that the analysis and its benchmark share no mistake. `scoring` lets the analysis and the `baseline`
count, and `report` makes the tables.
"""
