"""Ringtrue Outcomes: how well does an engine say what a call showed? Labelled texts, any engine, tables.

    python -m benchmarks.outcomes --help

`corpus` reads the texts in `corpus/`, `scoring` lets an engine classify them and counts, `report` and `facts` make the
tables. `spoken` puts the French texts through a synthesiser and the shipped speech recognition first, `injections` runs
texts in which someone tells the judge what to say, on an engine and on a model that obeys (`obedient`) behind the
guards, `speed` takes the time.
"""
