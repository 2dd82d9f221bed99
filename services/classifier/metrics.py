"""What engines that ask a language model show of themselves, beside what every worker shows (`ringtrue.telemetry`)."""

from prometheus_client import Counter, Gauge

ANSWERS = Counter(
    "ringtrue_llm_answers",
    "Calls by what they were answered from: model, cache, lexicon (too few words to ask), none (no usable answer), or "
    "given up while the model was away",
    ["source"],
)
COMPLETIONS = Counter(
    "ringtrue_llm_completions", "Completions asked of a language model, by how they ended", ["result"]
)
REFUSED = Counter("ringtrue_llm_answers_refused", "Answers that cannot be used, by why", ["why"])
DOUBTED = Counter("ringtrue_llm_answers_doubted", "Answers that our own checks leave to a person, by why", ["why"])
TOKENS = Counter("ringtrue_llm_tokens", "Tokens, as servers counted them", ["direction"])
COST = Counter("ringtrue_llm_cost", "What completions cost, in the currency of the price settings")
BUDGET_LEFT = Gauge("ringtrue_llm_budget_left", "What is left for today, in the same currency; +Inf without a budget")
CASCADE = Counter(
    "ringtrue_classifier_cascade_calls",
    "Calls by who answered them: embedded (nothing was asked), or asked of the language model",
    ["by"],
)
UNUSABLE_IN_A_ROW = Gauge("ringtrue_llm_unusable_in_a_row", "Answers in a row that cannot be used")
