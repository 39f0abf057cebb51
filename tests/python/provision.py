"""Makes accounts at an endpoint: users, roles, buckets, secrets, repositories.

Reads a JSON document on standard input and prints the users' access keys as JSON. It acts as the root of each account,
whose access key id is the account's id at servers that are made for tests.
"""

import json
import sys

import boto3
import botocore.exceptions


def client(service, world, account):
    return boto3.client(
        service,
        endpoint_url=world["endpoint"],
        region_name=world["region"],
        aws_access_key_id=account,
        aws_secret_access_key="test",
    )


def make(world, account, what):
    iam = client("iam", world, account)
    keys = {}
    for url, client_ids in what.get("oidc_providers", {}).items():
        iam.create_open_id_connect_provider(Url=url, ClientIDList=client_ids, ThumbprintList=["0" * 40])
    for name, user in what.get("users", {}).items():
        iam.create_user(UserName=name)
        for policy, document in user.get("policies", {}).items():
            iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys[name] = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
    for name, role in what.get("roles", {}).items():
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(role["trust"]))
        for policy, document in role.get("policies", {}).items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
    s3 = client("s3", world, account)
    for bucket in what.get("buckets", []):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": world["region"]})
    secrets = client("secretsmanager", world, account)
    for name, text in what.get("secrets", {}).items():
        secrets.create_secret(Name=name, SecretString=text)
    ecr = client("ecr", world, account)
    for name in what.get("repositories", []):
        ecr.create_repository(repositoryName=name)
    return keys


def main():
    world = json.load(sys.stdin)
    made = {}
    for account, what in world["accounts"].items():
        try:
            made[account] = make(world, account, what)
        except botocore.exceptions.ClientError as error:
            sys.exit(f"provision: account {account}: {error.operation_name}: {error}")
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
