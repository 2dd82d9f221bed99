"""The command line. Commands of a service come in through the entry points `ringtrue.commands`; see `app.py`."""

from ringtrue.cli.app import main

__all__ = ["main"]
