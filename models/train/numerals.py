"""French numbers in words, as the Academy wrote them before 1990: hyphens below a hundred, except around "et"."""

from __future__ import annotations

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


def two_digits(number: int) -> str:
    """0 to 99 as telephone numbers are told: 7 is "zéro sept"."""
    return f"zéro {_UNITS[number]}" if number < 10 else in_words(number)


#: Fillings by slot, for `sentences.py`: any number, numbers of several things, pairs of digits, days of a month.
SLOTS: dict[str, list[str]] = {
    "nombre": [in_words(n) for n in range(1, 101)],
    "plusieurs": [in_words(n) for n in [*range(2, 21), *range(2, 13), *range(21, 101)] if n % 10 != 1 or n == 11],
    "deux_chiffres": [two_digits(n) for n in range(100)],
    "quantième": ["premier", *(in_words(n) for n in range(2, 32))],
}
