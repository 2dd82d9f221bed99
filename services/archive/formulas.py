"""Texts that a spreadsheet would take for something else."""

#: A cell that begins so is a formula to some spreadsheet; the last is what XlsxWriter takes for ready-made markup.
_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "<r>")

#: With what they begin: a quick look for those who have millions of texts.
SUSPECT = frozenset(beginning[0] for beginning in _BEGINNINGS)


def defused(text: str) -> str:
    """The text with an apostrophe before it where it would be a formula.

    In Excel files, too, where a text is no formula by itself: who saves one as CSV would make it one.
    """
    return f"'{text}" if text.startswith(_BEGINNINGS) else text
