"""The rules in force, in words: `ringtrue rules show`."""

from __future__ import annotations

from ringtrue.outcomes import Language
from services.compliance.checks import CHECKS
from services.compliance.in_force import rules_hash
from services.compliance.rules import RULES
from services.compliance.ruleset import PhraseLists, Ruleset
from services.compliance.words import Words, clock, hours

_HEAD: dict[Language, str] = {
    "fr": "Règles en vigueur {hash} (fuseau horaire {zone})",
    "en": "Rules in force {hash} (time zone {zone})",
}

_RULES: dict[Language, dict[str, str]] = {
    "fr": {
        "last_call": "Client injoignable : le dernier appel n'a joint personne (injoignable ou silence).",
        "attempts": "Client injoignable : {attempts} appels ou plus, du début de la période à la suspension. {late}",
        "interval": "Client injoignable : trois appels sans réponse, chacun {gap} ou plus après le début du précédent. "
        "{late}",
        "rings": "Client injoignable : ces trois appels sont valables : annoncés injoignables, ou silencieux "
        "avec {rings} tonalités ou plus ou une tonalité de messagerie. Un comptage dont la confiance est inférieure à "
        "{confidence} reste à vérifier. Commande tardive : seul le dernier appel doit être valable.",
        "declaration": "Autres motifs : le résultat du dernier appel est le motif déclaré.",
        "branch": "Le dernier appel vient de la branche de la commande ; client injoignable : {branch_calls} appels au "
        "moins (tous, s'il y en a moins). Branches : {branches}.",
        "behaviour": "Le technicien est resté correct au dernier appel. {counts}",
        "required_phrases": "Le dernier appel contient chacune de ces formules : {required_phrases}",
        "forbidden_phrases": "Le dernier appel ne contient aucune de ces formules : {forbidden_phrases}",
    },
    "en": {
        "last_call": "Client unreachable: the last call reached nobody (unreachable or silence).",
        "attempts": "Client unreachable: {attempts} calls or more, from the window's start to the suspension. {late}",
        "interval": "Client unreachable: three unanswered calls, each {gap} or more after the start of the one before. "
        "{late}",
        "rings": "Client unreachable: those three calls are valid, that is announced as unreachable, or silent with "
        "{rings} rings or more or a voicemail tone. A count whose confidence is under {confidence} is to be reviewed. "
        "Late order: only the last call must be valid.",
        "declaration": "Other motifs: the last call shows the declared motif.",
        "branch": "The last call comes from the order's branch; client unreachable: at least {branch_calls} calls do "
        "(all, when there are fewer). Branches: {branches}.",
        "behaviour": "The technician stayed polite in the last call. {counts}",
        "required_phrases": "The last call holds each of these phrases: {required_phrases}",
        "forbidden_phrases": "The last call holds none of these phrases: {forbidden_phrases}",
    },
}

_LATE: dict[Language, str] = {
    "fr": "Sans objet quand la commande et le dernier appel sont du même jour après {late}.",
    "en": "Not applicable when the order and the last call are of the same day after {late}.",
}

_COUNTS: dict[Language, dict[bool, str]] = {
    "fr": {True: "Compte dans le verdict.", False: "Signalé seulement, ne compte pas dans le verdict."},
    "en": {True: "Part of the verdict.", False: "Reported only, not part of the verdict."},
}


_OFF: dict[Language, str] = {"fr": "Pas en vigueur : aucune formule.", "en": "Not in force: no phrase."}


def explain_rules(rules: Ruleset, language: Language) -> str:
    """Every rule with its parameters, one a line after a heading; of one that is not in force, that it is not."""
    values = {
        "attempts": rules.min_attempts,
        "gap": hours(rules.min_gap),
        "rings": rules.min_rings,
        "confidence": rules.min_ring_confidence,
        "branch_calls": rules.min_branch_calls,
        "branches": ", ".join(f"{order} {branch}" for order, branch in sorted(rules.branches.items())),
        "late": _LATE[language].format(late=clock(rules.late_from)),
        "counts": _COUNTS[language][rules.behaviour_counts],
        "required_phrases": _quoted(rules.required_phrases),
        "forbidden_phrases": _quoted(rules.forbidden_phrases),
    }
    lines = [_HEAD[language].format(hash=rules_hash(rules), zone=rules.time_zone)]
    for rule in RULES:
        told = _RULES[language][rule.name] if rule.in_force(rules) else _OFF[language]
        text = told.format(**values).strip()
        lines.append(f"{rule.name} (v{rule.version}): {text}")
    words = Words(rules, language)
    counting = (check for check in CHECKS if check.name in rules.checks_that_count)
    lines += [f"{check.name} (v{check.version}): {words.passed(check.name)}." for check in counting]
    return "\n".join(lines)


def _quoted(phrases: PhraseLists) -> str:
    return "; ".join(
        f"{kind}: " + ", ".join(f"“{phrase}”" for phrase in listed) for kind, listed in phrases.items() if listed
    )
