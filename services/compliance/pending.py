"""What an order waits for before it may be judged: nobody may claim to know every call before they are all there."""

from __future__ import annotations

from collections.abc import Iterable

from ringtrue.messages import CallFacts, Order
from ringtrue.outcomes import Language
from services.compliance.attempts import may_be_attempt
from services.compliance.ruleset import Ruleset
from services.compliance.words import Words


def waiting_for(
    order: Order,
    calls: Iterable[CallFacts],
    covered_until_ms: int | None,
    settle_ms: int,
    rules: Ruleset,
    language: Language,
) -> tuple[str, ...]:
    """What the order waits for, in words; nothing when it can be judged.

    Args:
        order: The order.
        calls: The calls of its client.
        covered_until_ms: Up to when every recording is registered, UTC milliseconds; None without any coverage.
        settle_ms: How long after the suspension coverage must reach.
        rules: The rules in force.
        language: The language to say it in.
    """
    words = Words(rules, language)
    waits = [_open_call(call, words) for call in calls if may_be_attempt(order, call) and not call.final]
    needed_ms = order.suspended_at_ms + settle_ms
    if covered_until_ms is None or covered_until_ms < needed_ms:
        waits.append(words.say("uncovered", moment=words.moment(needed_ms)))
    return tuple(waits)


def _open_call(call: CallFacts, words: Words) -> str:
    if call.started_at_ms is None:
        return words.say("call_open_undated", call=call.call_id)
    return words.say("call_open", call=call.call_id, moment=words.moment(call.started_at_ms))
