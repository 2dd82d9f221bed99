"""Where the files stand that ship with Ringtrue: schemas, the demo model, the sample calls.

In a checkout they stand at its root; in an installed wheel under `ringtrue/_resources`.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The path of a shipped file or folder, such as `schemas`.

    Raises:
        FileNotFoundError: It is neither in the checkout nor in the installed package.
    """
    for root in (_PACKAGE.parent, _PACKAGE / "_resources"):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} is not part of this installation of ringtrue")
