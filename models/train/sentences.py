"""What the demonstration model is taught to hear: French sentences of a technician's appointment calls.

`sentences/` holds the wordings, a file for each outcome; a template chooses with `[a|b|]`, and `{slot}` takes a slot's
filling. A template's own text decides whether it is held out (`is_held_out`): the test set is made of those, and no
training sentence is. A part of the sentences is random words or fragments of others, so that the model hears sounds
rather than remembers phrases.
"""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml

#: One template in so many is never trained on, by a hash of its text.
HELD_OUT_EVERY = 12

_FOLDER = Path(__file__).parent / "sentences"
_UNITS = (
    *("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze", "douze", "treize"),
    *("quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf"),
)
_TENS = {20: "vingt", 30: "trente", 40: "quarante", 50: "cinquante", 60: "soixante", 80: "quatre-vingt"}


def in_words(number: int) -> str:
    """0 to 100 in words: 21 is "vingt et un", 71 "soixante et onze", 80 "quatre-vingts", 91 "quatre-vingt-onze"."""
    if number == 100:
        return "cent"
    if number < 20:
        return _UNITS[number]
    ten = max(t for t in _TENS if t <= number)
    rest = number - ten
    if rest == 0:
        return "quatre-vingts" if ten == 80 else _TENS[ten]
    joint = " et " if rest in (1, 11) and ten < 80 else "-"
    return f"{_TENS[ten]}{joint}{_UNITS[rest]}"


def _fillings() -> dict[str, list[str]]:
    written: dict[str, list[str]] = yaml.safe_load((_FOLDER / "slots.yaml").read_text("utf-8"))
    several = [*range(2, 21), *range(2, 13), *range(21, 101)]
    return written | {
        "nombre": [in_words(n) for n in range(1, 101)],
        # Two or more of something: nothing that ends in "un", whose gender the thing would decide.
        "plusieurs": [in_words(n) for n in several if n % 10 != 1 or n == 11],
        # As telephone numbers are told.
        "deux_chiffres": [f"zéro {_UNITS[n]}" if n < 10 else in_words(n) for n in range(100)],
        "quantième": ["premier", *(in_words(n) for n in range(2, 32))],
    }


#: Fillings by slot.
SLOTS = _fillings()
#: Wordings by outcome.
TEMPLATES: dict[str, list[str]] = {
    path.stem: yaml.safe_load(path.read_text("utf-8"))
    for path in sorted(_FOLDER.glob("*.yaml"))
    if path.stem != "slots"
}
#: What the sample calls in `examples/` say: templates that can make these stay in the training, whatever their hash.
SAMPLES = (
    "bonjour vous êtes bien sur la messagerie de votre correspondant",
    "laissez un message après le bip",
    "votre correspondant est injoignable pour le moment veuillez rappeler ultérieurement",
    "bonjour madame je suis le technicien",
    "je vous appelle pour l'installation de votre ligne",
    "non merci je refuse l'installation",
    "je ne veux plus de la ligne",
    "vous confirmez que vous ne voulez plus de la ligne",
    "annulez la commande s'il vous plaît",
    "d'accord madame je note votre refus bonne journée",
    "allô",
    "bonjour monsieur c'est le technicien",
    "je veux annuler la commande",
    "j'ai changé d'opérateur",
    "d'accord monsieur je note l'annulation",
    "au revoir",
    "vous êtes disponible aujourd'hui",
    "je ne suis pas disponible aujourd'hui",
    "je ne suis pas à la maison aujourd'hui",
    "rappelez-moi demain matin",
    "très bien madame je vous rappelle demain matin bonne journée",
)

#: How many of the random words are such as sound like others, with words before them that settle the spelling.
AGREED_SHARE = 0.25
_BEFORE = {
    "er": ("il faut", "je dois", "vous pouvez", "je vais", "on peut", "on va", "je voudrais", "vous allez", "pour"),
    "ez": ("vous", "si vous", "est-ce que vous", "quand vous"),
    "é": ("j'ai", "vous avez", "on a", "il a", "nous avons", "je n'ai pas", "elle a"),
    "one": ("votre", "notre", "chaque"),
    "many": ("les", "des", "ces", "vos", "mes"),
}

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[a-zàâäçéèêëîïôöùûüœ'-]+")


def label(spoken: str) -> str:
    """The training label of a spoken text: lower-case words, accents, apostrophes and hyphens kept, nothing else."""
    return " ".join(_WORD.findall(spoken.lower()))


def domain_sentence(rng: random.Random, *, held_out: bool) -> str:
    """One sentence (with its commas) from the training templates, or from those that are never trained on.

    An outcome is drawn by the square root of its number of templates: the small ones are heard often enough.
    """
    templates = _parts()[held_out]
    outcome = rng.choices(list(templates), [len(some) ** 0.5 for some in templates.values()])[0]
    return _expand(rng.choice(templates[outcome]), rng)


def random_words(rng: random.Random, *, agreed: bool = True) -> str:
    """Two to eight words of the vocabulary in no order at all; of those that sound alike, only some in agreement.

    With `agreed`, words that sound like others come in too, where two words before them settle the spelling.
    """
    chosen = []
    for _ in range(rng.randint(2, 8)):
        if agreed and rng.random() < AGREED_SHARE:
            kind, word = rng.choice(agreed_phrases())
            chosen += [rng.choice(_BEFORE[kind]), word]
        else:
            chosen.append(rng.choice(distinct_words()))
    return " ".join(chosen)


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
    return _words(template for templates in TEMPLATES.values() for template in templates)


@cache
def trained_vocabulary() -> frozenset[str]:
    """Every word that the sentences of trained templates can hold."""
    return frozenset(_words(template for templates in _parts()[False].values() for template in templates))


@cache
def distinct_words() -> tuple[str, ...]:
    """The words of the vocabulary that sound like no other one: without a sentence, nobody could tell those apart."""
    return tuple(sorted(words[0] for words in alike() if len(words) == 1))


@cache
def alike() -> tuple[tuple[str, ...], ...]:
    """The vocabulary in groups of words that sound the same."""
    groups = defaultdict(list)
    for word, sound in zip(vocabulary(), sounds(vocabulary()), strict=True):
        groups[sound].append(word)
    return tuple(map(tuple, groups.values()))


@cache
def agreed_phrases() -> tuple[tuple[str, str], ...]:
    """Words that sound like another form of the same word, each with the kind of words that may go before it."""
    found = []
    for group in alike():
        for word in group:
            stem = word[:-2] if word.endswith(("er", "ez")) else word[:-1] if word.endswith("é") else ""
            if stem and len({f"{stem}er", f"{stem}ez", f"{stem}é"} & set(group)) > 1:
                kind = word[len(stem) :]
                if kind == "er" or "'" not in word:
                    found.append((kind, word))
        if len(group) == 2 and group[1] == f"{group[0]}s" and "'" not in group[0]:
            found += [("one", group[0]), ("many", group[1])]
    return tuple(found)


def sounds(texts: tuple[str, ...]) -> list[str]:
    """The phonemes that espeak-ng's French voice says for each text, without stress."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        # An empty line ends a sentence, so that no word is bound to the next one.
        file.write("\n\n".join(texts))
        file.flush()
        said = subprocess.run(["espeak-ng", "-q", "-x", "-v", "fr", "-f", file.name], capture_output=True, check=True)
    heard = [line.strip() for line in said.stdout.decode().splitlines() if line.strip()]
    if len(heard) != len(texts):
        raise ValueError(f"espeak-ng said {len(heard)} texts of {len(texts)}")
    return [re.sub(r"[',%=|]", "", line) for line in heard]


@cache
def is_held_out(template: str) -> bool:
    """Whether a template is kept for the test set: its hash says so, unless a sample call is made of it."""
    if int(hashlib.sha256(template.encode()).hexdigest(), 16) % HELD_OUT_EVERY:
        return False
    rng = random.Random(template)
    texts = [f" {label(_expand(template, rng))} " for _ in range(200)]
    return not any(f" {sample} " in text or text in f" {sample} " for text in texts for sample in SAMPLES)


@cache
def _parts() -> dict[bool, dict[str, list[str]]]:
    parts: dict[bool, dict[str, list[str]]] = {False: {}, True: {}}
    for outcome, templates in TEMPLATES.items():
        for template in templates:
            parts[is_held_out(template)].setdefault(outcome, []).append(template)
    return parts


def _words(templates: Iterable[str]) -> tuple[str, ...]:
    fillings = " ".join(part for parts in SLOTS.values() for part in parts)
    texts = " ".join(templates)
    plain = re.sub(r"[\[\]|]", " ", _SLOT.sub(" ", f"{texts} {fillings}"))
    return tuple(sorted(set(label(plain).split())))


def _expand(template: str, rng: random.Random) -> str:
    while match := _CHOICE.search(template):
        template = template[: match.start()] + rng.choice(match[1].split("|")) + template[match.end() :]
    while match := _SLOT.search(template):
        template = template[: match.start()] + rng.choice(SLOTS[match[1]]) + template[match.end() :]
    template = re.sub(r"\s+([,])", r"\1", re.sub(r"\s+", " ", template))
    return template.strip(" ,")


if __name__ == "__main__":
    print("\n".join(vocabulary()))
