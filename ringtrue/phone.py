"""Phone numbers as they arrive in manifests, sidecars and file names, brought to one form: `212` and nine digits.

A number may come local (`0612345678`), without the zero that a spreadsheet took (`612345678`), as a spreadsheet's
number (`612345678.0`, `6.12345678E+08`), or international (`+212`, `00212`, `212`), with separators anywhere. What is
not surely one whole number of the plan is no number: a wrong client is worse than a rejected row.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class NumberPlan:
    """How one country writes its subscriber numbers."""

    country: str
    trunk: str
    #: First digits of a subscriber number that the business calls: mobile and fixed lines.
    leading: str
    #: Those of the mobile ones among them.
    mobile: str
    #: Digits of a subscriber number without the trunk prefix.
    length: int


MOROCCO = NumberPlan(country="212", trunk="0", leading="567", mobile="67", length=9)

#: Spaces (any kind), dots, dashes (any kind) and the invisible marks that come with copied text.
_SEPARATOR_CATEGORIES = frozenset({"Zs", "Cc", "Pd", "Cf"})
_SEPARATORS = frozenset(".\N{MINUS SIGN}")
_FLOAT = re.compile(r"([1-9][0-9]*)[.,]0+")
_SCIENTIFIC = re.compile(r"[1-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,2}")
#: A spreadsheet shows at most six digits this way and `%e` writes seven: with fewer than eight, digits are lost.
_WHOLE_MANTISSA_DIGITS = 8


def normalise(text: str, plan: NumberPlan = MOROCCO) -> str | None:
    """`text` as country code and subscriber number (`212612345678`), or None when it is not a number of the plan."""
    digits = _digits(text.strip().lstrip("'"))
    international = next((prefix for prefix in ("+", "00") if digits.startswith(prefix)), "")
    digits = digits.removeprefix(international)
    if not (digits.isascii() and digits.isdecimal()):
        return None
    if international or len(digits) > plan.length + len(plan.trunk):
        if not digits.startswith(plan.country):
            return None
        digits = digits.removeprefix(plan.country)
    # "+212 (0)6..." keeps the trunk prefix behind the country code.
    if len(digits) == plan.length + len(plan.trunk):
        digits = digits.removeprefix(plan.trunk)
    if len(digits) != plan.length or digits[0] not in plan.leading:
        return None
    return plan.country + digits


def _digits(text: str) -> str:
    """The digits that are meant, a leading `+` kept; anything else is left in for the caller to refuse."""
    if text.isascii() and text.isdecimal():
        return text  # as nearly all are
    if written := _FLOAT.fullmatch(text):
        return written[1]
    if _SCIENTIFIC.fullmatch(text):
        mantissa = re.split("[eE]", text)[0]
        value = Decimal(text.replace(",", "."))
        lossy = sum(map(str.isdigit, mantissa)) < _WHOLE_MANTISSA_DIGITS or value != value.to_integral_value()
        return "" if lossy else f"{value:.0f}"
    text = text.replace("(0)", "0")
    return "".join(c for c in text if c not in _SEPARATORS and unicodedata.category(c) not in _SEPARATOR_CATEGORIES)
