"""Tables that a terminal shows and a Markdown page takes as they are."""

import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def table(title: str, caption: str, words: Sequence[str], figures: Sequence[str]) -> Table:
    """An empty table.

    Args:
        title: What was measured.
        caption: On what: machine and versions.
        words: Headings of the first columns, set to the left.
        figures: Headings of the other columns, set to the right.
    """
    made = Table(title=title, caption=caption, box=box.MARKDOWN, title_justify="left", caption_justify="left")
    for heading in words:
        made.add_column(heading, no_wrap=True)
    for heading in figures:
        made.add_column(heading, justify="right", no_wrap=True)
    return made


def show(made: Table) -> None:
    """Prints it, whole however narrow the terminal; title and caption in lines of their own."""
    console = Console(width=200, highlight=False)
    title, caption = made.title, made.caption
    made.title = made.caption = None
    console.print(title, made, f"({caption})\n", soft_wrap=True)


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
