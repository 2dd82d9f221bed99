"""Where the command line prints: results on standard output, news (progress, complaints) on standard error."""

import sys

from rich.console import Console

#: Columns where the output is no terminal, such as a file or a pipe.
_WIDTH = 120


def output() -> Console:
    """Standard output, for results."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def news() -> Console:
    """Standard error, for everything else."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _WIDTH)
