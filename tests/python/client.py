"""Calls one operation by boto3, with what the environment and the named profile say.

Reads {"service", "operation", "parameters", "profile"} as JSON on standard input, and prints the answer as JSON, with
the bytes of a body as text. An error is one line on standard error.
"""

import json
import sys

import boto3
import botocore.exceptions


def main():
    call = json.load(sys.stdin)
    try:
        session = boto3.Session(profile_name=call.get("profile"))
        client = session.client(call["service"])
        answer = getattr(client, call["operation"])(**call["parameters"])
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        sys.exit(f"client: {error}")
    if hasattr(answer.get("Body"), "read"):
        answer["Body"] = answer["Body"].read().decode()
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    main()
