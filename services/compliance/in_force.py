"""What is in force, by name: the rules, the checks of the evidence, their parameters."""

import json

from ringtrue.digest import digest
from services.compliance.checks import CHECKS
from services.compliance.rules import RULES
from services.compliance.ruleset import Ruleset


def rules_hash(rules: Ruleset) -> str:
    """Identifies the rules in force: equal for equal parameters and versions, on any machine."""
    versions = {rule.name: rule.version for rule in RULES if rule.in_force(rules)}
    versions |= {check.name: check.version for check in CHECKS}
    settings = rules.model_dump(mode="json", exclude={rule.name for rule in RULES if not rule.in_force(rules)})
    in_force = {"versions": versions, **settings}
    return digest(json.dumps(in_force, sort_keys=True).encode())
