"""Word errors between what was said and what was heard."""

from __future__ import annotations


def word_errors(said: str, heard: str) -> int:
    """Substitutions, deletions and insertions of words (Levenshtein)."""
    reference = said.split()
    row = list(range(len(reference) + 1))
    for count, word in enumerate(heard.split(), 1):
        diagonal, row[0] = row[0], count
        for index, expected in enumerate(reference, 1):
            diagonal, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, diagonal + (word != expected))
    return row[-1]
