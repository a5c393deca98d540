"""The arguments and the results of the CDK's command line, without Node.js.

`bootstrap` leaves the version of the bootstrap stack; `deploy` publishes empty assets and creates
or updates the stack by CloudFormation. Each call is a line of the file CDK_CALLS. `ApiUrl` is that
of the variable API_URL; no HTTP API runs in moto.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["bootstrap", "deploy"])
    parser.add_argument("what")
    parser.add_argument("--app", type=Path)
    parser.add_argument("--exclusively", action="store_true")
    parser.add_argument("--require-approval")
    parser.add_argument("--outputs-file", type=Path)
    options = parser.parse_args(arguments)
    with Path(os.environ["CDK_CALLS"]).open("a") as calls:
        calls.write(f"{options.action} {options.what}\n")
    if options.what == os.environ.get("CDK_FAILS_AT"):
        print(f"{options.what}: CREATE_FAILED", file=sys.stderr)
        return 1
    if options.action == "bootstrap":
        _bootstrap(options.what)
    else:
        _publish(options.app / f"{options.what}.assets.json")
        outputs = _deploy(options.what, options.app / f"{options.what}.template.json")
        options.outputs_file.write_text(json.dumps({options.what: outputs}))
    return 0


def _bootstrap(environment: str) -> None:
    account, region = environment.removeprefix("aws://").split("/")
    boto3.client("s3").create_bucket(
        Bucket=f"cdk-hnb659fds-assets-{account}-{region}",
        CreateBucketConfiguration={"LocationConstraint": region},
    )
    name = "/cdk-bootstrap/hnb659fds/version"
    boto3.client("ssm").put_parameter(Name=name, Value="30", Type="String")


def _publish(assets: Path) -> None:
    text = assets.read_text().replace("${AWS::AccountId}", ACCOUNT)
    for file in json.loads(text)["files"].values():
        for place in file["destinations"].values():
            boto3.client("s3").put_object(Bucket=place["bucketName"], Key=place["objectKey"])


def _deploy(stack: str, template: Path) -> dict[str, str]:
    client: Any = boto3.client("cloudformation")
    named: dict[str, Any] = {"StackName": stack, "TemplateBody": template.read_text()}
    try:
        client.describe_stacks(StackName=stack)
    except ClientError:
        client.create_stack(**named)
    else:
        client.update_stack(**named)
    (found,) = client.describe_stacks(StackName=stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}
    return outputs | ({"ApiUrl": os.environ["API_URL"]} if "ApiUrl" in outputs else {})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
