"""Runs two linters of IAM policies, parliament and iam-policy-validator, in one process.

Reads one policy per line on standard input, and writes one finding per line on standard output,
both as JSON:

    {"id": 1, "kind": "identity", "policy": "{\\"Version\\": ..."}
    {"id": 1, "linter": "parliament", "check": "UNKNOWN_ACTION", "statement": 0, "detail": "..."}

A kind is one of `POLICY_TYPES`. parliament knows one kind only. `statement` is null if the finding
is about the policy as a whole. A check is named as the linter names it; where parliament reports
different faults under one name, the text that tells them apart follows the name. Both linters run
with their default checks, and neither uses the network.
"""

import asyncio
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

# parliament reads its own files with an interface that setuptools has deprecated.
warnings.simplefilter("ignore")
# parliament's patterns, and reports of policies that cannot be parsed: the findings say it.
logging.disable(logging.CRITICAL)

import parliament  # noqa: E402
import service_reference  # noqa: E402
from iam_validator.core import policy_checks  # noqa: E402
from iam_validator.core.config.config_loader import ConfigLoader  # noqa: E402
from iam_validator.core.models import PolicyValidationResult  # noqa: E402
from iam_validator.core.policy_loader import PolicyLoader  # noqa: E402

POLICY_TYPES = {
    "identity": "IDENTITY_POLICY",
    "session": "IDENTITY_POLICY",
    "trust": "TRUST_POLICY",
    "resource": "RESOURCE_POLICY",
    "scp": "SERVICE_CONTROL_POLICY",
    "rcp": "RESOURCE_CONTROL_POLICY",
}
# The findings of parliament whose detail is one of a few texts.
WITH_DETAIL = ("MALFORMED", "INVALID_ARN")
# The only exception that is about the policy, and not about parliament.
ABOUT_ACTION = "Action should be in form service:action"


def main() -> None:
    policies = [json.loads(line) for line in sys.stdin]
    for policy in policies:
        run_parliament(policy)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run_validator(policies, Path(folder)))


def report(policy, linter: str, check: str, statement: int | None, detail: str) -> None:
    finding = {
        "id": policy["id"],
        "linter": linter,
        "check": check,
        "statement": statement,
        "detail": detail,
    }
    print(json.dumps(finding))


def run_parliament(policy) -> None:
    try:
        result = parliament.analyze_policy_string(policy["policy"])
    except Exception as error:  # Its command ends with a traceback.
        report(policy, "parliament", "crash", None, repr(error))
        return
    places = [(None, finding) for finding in result._findings]
    for index, statement in enumerate(result.statements):
        places += [(index, finding) for finding in statement.findings]
    for index, finding in places:
        check = finding.issue
        if check in WITH_DETAIL or finding.detail == ABOUT_ACTION:
            check += f": {finding.detail}"
        report(policy, "parliament", check, index, str(finding.detail))


async def run_validator(policies, folder: Path) -> None:
    service_reference.write(folder)
    config = ConfigLoader.load_config(allow_missing=True)
    registry = policy_checks.build_registry(config)
    # A cache on disk would outlive this run.
    fetcher = policy_checks.AWSServiceFetcher(enable_cache=False, aws_services_dir=str(folder))
    by_type: dict[str, list] = {}
    async with fetcher:
        for policy in policies:
            path = folder / "policies" / f"{policy['id']}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(policy["policy"], encoding="utf-8")
            loader = PolicyLoader()
            loaded = loader.load_from_file(str(path), return_raw_dict=True)
            if loaded is None:
                (_, message), *_ = loader.parsing_errors
                result = PolicyValidationResult.from_parsing_error(str(path), message)
                report_issues(policy, result)
            else:
                item = (policy, (str(path), *loaded))
                by_type.setdefault(POLICY_TYPES[policy["kind"]], []).append(item)
        for policy_type, items in by_type.items():
            results = await policy_checks.validate_policies(
                [loaded for _, loaded in items],
                config=config,
                registry=registry,
                fetcher=fetcher,
                policy_type=policy_type,
            )
            for (policy, _), result in zip(items, results, strict=True):
                report_issues(policy, result)


def report_issues(policy, result) -> None:
    for issue in result.issues:
        index = issue.statement_index if issue.statement_index >= 0 else None
        check = f"{issue.check_id}.{issue.issue_type}"
        report(policy, "iam-policy-validator", check, index, issue.message)


if __name__ == "__main__":
    main()
