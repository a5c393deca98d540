"""Create at the local AWS endpoint what a deployment creates on AWS: KMS key, event bus and state
machines."""

import base64
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.backends import get_backend
from moto.moto_api._internal.models import moto_api_backend

from infra.catalog import Function, Workflow
from localdev.engine.definition import fill_function_arns, multiply_constant_wait_seconds
from localdev.engine.names import AWS_ACCOUNT_ID, AWS_REGION
from localdev.private_files import write_private_file

LOCAL_CREDENTIALS = {
    "AWS_REGION": AWS_REGION,
    "AWS_DEFAULT_REGION": AWS_REGION,
    "AWS_ACCESS_KEY_ID": f"LOCAL{secrets.token_hex(8).upper()}",
    "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
}
"""Region and credentials for AWS clients, as environment variables. They are made at each start;
the local AWS endpoint accepts no other credentials."""
EVENT_BUS_NAME = "mailsync"


@dataclass(frozen=True, slots=True)
class TokenKmsKey:
    """Id and ARN of the local KMS key that encrypts the data keys of stored tokens. A file keeps
    the key material, because moto loses it when the stack stops."""

    key_id: str
    arn: str


def make_aws_client(service: str, endpoint_url: str, **settings: Any) -> Any:
    """Return a boto3 client for the local AWS endpoint with the credentials of this stack. AWS
    settings of the environment are ignored."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=AWS_REGION,
        aws_access_key_id=LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        **settings,
    )


def read_or_create_token_kms_key(endpoint_url: str, file: Path) -> TokenKmsKey:
    """Return the KMS key of this stack, created at the first start and stored in `file` (mode
    0600).

    moto loses its keys when it stops. The stored id and key material are imported into a new key of
    moto, so that existing ciphertexts can still be decrypted.
    """
    made = make_aws_client("kms", endpoint_url).create_key(Description="Wraps stored tokens.")
    keys = get_backend("kms")[AWS_ACCOUNT_ID][AWS_REGION].keys
    key = keys.pop(made["KeyMetadata"]["KeyId"])
    if file.exists():
        stored = json.loads(file.read_text())
        key.id, key.arn = stored["keyId"], stored["arn"]
        key.key_material = base64.b64decode(stored["material"])
    else:
        material = base64.b64encode(key.key_material).decode()
        write_private_file(
            file, json.dumps({"keyId": key.id, "arn": key.arn, "material": material})
        )
    keys[key.id] = key
    return TokenKmsKey(key_id=key.id, arn=key.arn)


def create_state_machines(
    endpoint_url: str,
    workflows: Iterable[Workflow],
    functions: Iterable[Function],
    *,
    time_scale: float = 1,
) -> dict[str, str]:
    """Create a state machine for each workflow; return their ARNs by the names of the workflows.

    time_scale: factor for the constant waits of the workflows.
    """
    functions = tuple(functions)
    client = make_aws_client("stepfunctions", endpoint_url)
    arns = {}
    for workflow in workflows:
        definition = multiply_constant_wait_seconds(
            fill_function_arns(workflow.asl_text, functions), time_scale
        )
        made = client.create_state_machine(
            name=workflow.name,
            definition=definition,
            roleArn=f"arn:aws:iam::{AWS_ACCOUNT_ID}:role/{workflow.name}",
        )
        arns[workflow.name] = str(made["stateMachineArn"])
    return arns


def create_event_bus(endpoint_url: str, name: str = EVENT_BUS_NAME) -> None:
    make_aws_client("events", endpoint_url).create_event_bus(Name=name)


def reset_moto_state() -> None:
    """Delete what an earlier local stack in this process has left in moto's global variables."""
    moto_api_backend.reset()
