"""Whether a schema may follow its released version: readers and writers of both must understand each other."""

from typing import Any

Schema = Any


def breaks(released: Schema, present: Schema) -> list[str]:
    """What of a record's present schema breaks with the released one, in words."""
    before = {field["name"]: field for field in released["fields"]}
    now = {field["name"]: field for field in present["fields"]}
    found = [f"{name} was removed" for name in before.keys() - now.keys()]
    found += [
        f"{name} was added without a default" for name in now.keys() - before.keys() if "default" not in now[name]
    ]
    for name in before.keys() & now.keys():
        if before[name]["type"] != now[name]["type"]:
            found.append(f"{name} was {before[name]['type']} and is {now[name]['type']}")
        if "default" in before[name] and "default" not in now[name]:
            found.append(f"{name} has lost its default")
    if (released["namespace"], released["name"]) != (present["namespace"], present["name"]):
        found.append(f"{released['name']} was renamed")
    return sorted(found)
