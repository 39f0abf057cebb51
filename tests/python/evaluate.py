"""Decides requests with the evaluator of ministack, in this process and without its server.

Reads one case a line as JSON on standard input: what rolecall_policy::Simulation reads, without organisations. Prints
the decision on each as a line of JSON: "Allowed", "ImplicitlyDenied", "ExplicitlyDenied", or "Denied" where a role
cannot be assumed: ministack does not say whether its trust policy denies it explicitly.
"""

import json
import sys

from ministack.core import iam_evaluator as iam

DECISIONS = {"Allow": "Allowed", "Deny": "ExplicitlyDenied", "ImplicitDeny": "ImplicitlyDenied"}
ASSUME = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity")


def resolve_condition_key(key, ctx):
    """Takes the condition keys from the case. The server derives them from the HTTP request."""
    return ctx.service_context.get(key.lower())


def principal_type(arn):
    kinds = {":user/": "User", ":assumed-role/": "AssumedRole", ":federated-user/": "FederatedUser"}
    return next((kind for part, kind in kinds.items() if part in arn), "Root")


def context_of(request):
    caller = request["principal"]
    return iam.EvalContext(
        principal_arn=caller,
        principal_type=principal_type(caller),
        principal_account=iam._account_from_arn(caller) or "",
        action=request["action"],
        resource_arn=request["resource"],
        region="",
        service_context={key.lower(): value for key, value in request.get("context", {}).items()},
    )


def decide(case):
    """Does what `enforce` does with a caller's policies, and for a role what the STS service does after it."""
    request, policy = case["request"], case.get("resource_policy")
    ctx = context_of(request)
    parse = lambda name: [iam.parse_policy_document(document) for document in case.get(name) or []]
    limits = [parse(name) for name in ("permission_boundaries", "session_policies") if name in case]
    if ctx.action in iam._ALWAYS_ALLOWED_ACTIONS:
        return "Allowed"
    result = iam.evaluate(ctx, parse("identity_policies"), *limits)
    if ctx.principal_type == "Root" or ctx.action == "sts:AssumeRoleWithWebIdentity":
        result = iam.EvalResult("Allow")
    if ctx.action in ASSUME:
        if result.decision == "Deny":
            return "ExplicitlyDenied"
        is_trusted = iam.evaluate_trust_policy(policy or {}, ctx.principal_arn, ctx)
        return "Allowed" if is_trusted and result.decision == "Allow" else "Denied"
    if ctx.principal_type != "Root":
        owner = request.get("resource_account") or iam._account_from_arn(ctx.resource_arn)
        result = iam.combine_resource_policy(result, ctx, policy, owner, limits=tuple(limits))
    return DECISIONS[result.decision]


def main():
    iam._resolve_condition_key = resolve_condition_key
    for line in sys.stdin:
        print(json.dumps(decide(json.loads(line))))


if __name__ == "__main__":
    main()
