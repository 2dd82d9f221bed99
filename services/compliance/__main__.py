"""`ringtrue service compliance`: the workers orders, facts and judge."""

from ringtrue.service import Context, Service
from ringtrue.streaming.worker import Worker
from services.compliance.facts import Facts
from services.compliance.judge import Judge
from services.compliance.orders import Orders
from services.compliance.ruleset import load_ruleset


def _workers(context: Context) -> list[Worker]:
    settings = context.settings
    partitions = context.log.partitions
    rules = load_ruleset(settings.time_zone, settings.rules)
    judge = Judge(
        rules,
        settings.language,
        settle_ms=int(settings.settle_s * 1000),
        ask_for_calls=settings.selection == "matched",
        partitions=partitions,
    )
    return [Orders(), Facts(partitions=partitions, with_transcripts=rules.asks_for_words), judge]


SERVICE = Service("compliance", "judges orders by the calls of their clients, with evidence", _workers)
