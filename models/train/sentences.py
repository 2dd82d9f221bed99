"""What the demonstration model is taught to hear: French sentences of a technician's appointment calls.

`sentences.yaml` holds the wordings by outcome; a template chooses with `[a|b|]`, and `{slot}` takes a slot's filling.
Every `HELD_OUT_EVERY`-th template of an outcome is never trained on: the test set is made of those. A part of the
sentences is random words or fragments of others, so that the model hears sounds rather than remembers phrases.
"""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

import yaml

#: One template in so many is kept for the test set.
HELD_OUT_EVERY = 7

_MADE_OF = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
#: Fillings by slot.
SLOTS: dict[str, list[str]] = _MADE_OF["slots"]
#: Wordings by outcome.
TEMPLATES: dict[str, list[str]] = _MADE_OF["templates"]
#: Words that sound alike: without a sentence around them nobody can tell which one was said.
HOMOPHONES: frozenset[str] = frozenset(word for alike in _MADE_OF["homophones"] for word in alike)

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[a-zàâäçéèêëîïôöùûüœ'-]+")


def label(spoken: str) -> str:
    """The training label of a spoken text: lower-case words, accents, apostrophes and hyphens kept, nothing else."""
    return " ".join(_WORD.findall(spoken.lower()))


def domain_sentence(rng: random.Random, *, held_out: bool) -> str:
    """One sentence (with its commas) from the training templates, or from those that are never trained on."""
    outcome = rng.choice(list(TEMPLATES))
    templates = [t for i, t in enumerate(TEMPLATES[outcome]) if _is_held_out(i) == held_out]
    return _expand(rng.choice(templates), rng)


def random_words(rng: random.Random) -> str:
    """Two to eight words of the vocabulary in no order at all; none that sounds like another one."""
    words = [word for word in vocabulary() if word not in HOMOPHONES]
    return " ".join(rng.choice(words) for _ in range(rng.randint(2, 8)))


def fragments(rng: random.Random) -> str:
    """Pieces of the training templates' sentences, two to four words each: known words in company never met."""
    pieces = []
    for _ in range(rng.randint(2, 3)):
        words = label(domain_sentence(rng, held_out=False)).split()
        length = rng.randint(2, 4)
        start = rng.randint(0, max(0, len(words) - length))
        pieces += words[start : start + length]
    return " ".join(pieces)


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word that a sentence can hold, sorted."""
    fillings = " ".join(part for parts in SLOTS.values() for part in parts)
    texts = " ".join(template for templates in TEMPLATES.values() for template in templates)
    plain = re.sub(r"[\[\]|]", " ", _SLOT.sub(" ", f"{texts} {fillings}"))
    return tuple(sorted(set(label(plain).split())))


def _is_held_out(index: int) -> bool:
    return index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1


def _expand(template: str, rng: random.Random) -> str:
    while match := _CHOICE.search(template):
        template = template[: match.start()] + rng.choice(match[1].split("|")) + template[match.end() :]
    while match := _SLOT.search(template):
        template = template[: match.start()] + rng.choice(SLOTS[match[1]]) + template[match.end() :]
    template = re.sub(r"\s+([,])", r"\1", re.sub(r"\s+", " ", template))
    return template.strip(" ,")


if __name__ == "__main__":
    print("\n".join(vocabulary()))
