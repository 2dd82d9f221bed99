"""`ringtrue service assembler`."""

from ringtrue.service import Context, Service
from services.assembler.worker import Assembler


def _workers(_: Context) -> list[Assembler]:
    return [Assembler()]


SERVICE = Service("assembler", "rebuilds each call from its parts", _workers)
