"""Call recordings in, evidence-backed compliance verdicts out: what every service shares. Knows no service."""

from importlib.metadata import version

__version__ = version("ringtrue")
