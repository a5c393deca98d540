"""Create on the local endpoint what a deployment creates on AWS: key, event bus, state machines."""

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
from localdev.engine.definition import fill_placeholders, scale_waits
from localdev.engine.names import ACCOUNT, REGION
from localdev.private_files import write_private

CREDENTIALS = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": f"LOCAL{secrets.token_hex(8).upper()}",
    "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
}
"""Credentials made at each start, as a client's environment; the local endpoint takes no others."""
EVENT_BUS = "mailsync"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The KMS key that encrypts stored OAuth tokens; its key material outlives moto's memory."""

    key_id: str
    arn: str


def aws_client(service: str, endpoint_url: str, **settings: Any) -> Any:
    """Return a boto3 client with this process's credentials, whatever the environment says."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        **settings,
    )


def open_token_key(endpoint_url: str, file: Path) -> TokenKey:
    """Return the KMS key of this stack, created at the first start and stored in `file` (mode
    0600).

    moto loses its keys when it stops. The stored id and key material are imported into a new key of
    moto, so that existing ciphertexts can still be decrypted.
    """
    made = aws_client("kms", endpoint_url).create_key(Description="Wraps stored tokens.")
    keys = get_backend("kms")[ACCOUNT][REGION].keys
    key = keys.pop(made["KeyMetadata"]["KeyId"])
    if file.exists():
        stored = json.loads(file.read_text())
        key.id, key.arn = stored["keyId"], stored["arn"]
        key.key_material = base64.b64decode(stored["material"])
    else:
        material = base64.b64encode(key.key_material).decode()
        write_private(file, json.dumps({"keyId": key.id, "arn": key.arn, "material": material}))
    keys[key.id] = key
    return TokenKey(key_id=key.id, arn=key.arn)


def create_workflows(
    endpoint_url: str,
    workflows: Iterable[Workflow],
    functions: Iterable[Function],
    *,
    time_scale: float = 1,
) -> dict[str, str]:
    """Create the state machines; return their ARNs by the name of the workflow.

    time_scale: factor for all waits of the workflows.
    """
    functions = tuple(functions)
    client = aws_client("stepfunctions", endpoint_url)
    arns = {}
    for workflow in workflows:
        definition = scale_waits(fill_placeholders(workflow.definition, functions), time_scale)
        made = client.create_state_machine(
            name=workflow.name,
            definition=definition,
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/{workflow.name}",
        )
        arns[workflow.name] = str(made["stateMachineArn"])
    return arns


def create_event_bus(endpoint_url: str, name: str = EVENT_BUS) -> None:
    aws_client("events", endpoint_url).create_event_bus(Name=name)


def reset_moto_state() -> None:
    """Delete what an earlier stack of this process has left in moto's global variables."""
    moto_api_backend.reset()
