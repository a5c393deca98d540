"""Answer the few requests that functions send to AWS at a cold start: secrets, data keys and
executions. moto needs longer for its first requests than a start takes."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore

from localdev.engine.aws_resources import LOCAL_CREDENTIALS
from localdev.engine.names import AWS_REGION
from localdev.http_server import Request, Response, Server
from localdev.simulators.entra.certificates import open_server_tls_context

ACCOUNT_ID = "123456789012"
TOKEN_KEY_ARN = f"arn:aws:kms:{AWS_REGION}:{ACCOUNT_ID}:key/cold-start"
MACHINE_ARN = f"arn:aws:states:{AWS_REGION}:{ACCOUNT_ID}:stateMachine:mailbox-sync"
DATABASE_SECRET_ARN = f"arn:aws:secretsmanager:{AWS_REGION}:{ACCOUNT_ID}:secret:database"
LOGINS_SECRET_ARN = f"arn:aws:secretsmanager:{AWS_REGION}:{ACCOUNT_ID}:secret:logins"
_DATA_KEY = bytes(range(32))


class AwsAnswers:
    """Secrets Manager, KMS and Step Functions, with one data key.

    secrets: the JSON secrets by ARN.
    """

    def __init__(self, secrets: dict[str, dict[str, str]]) -> None:
        self.secrets = secrets

    def __call__(self, request: Request) -> Response:
        service, _, operation = request.headers["X-Amz-Target"].rpartition(".")
        sent = json.loads(request.body)
        answer = self._answer(operation, sent)
        kind = "1.0" if service == "AWSStepFunctions" else "1.1"
        headers = {"Content-Type": f"application/x-amz-json-{kind}"}
        return Response(200, json.dumps(answer).encode(), headers)

    def _answer(self, operation: str, sent: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "GetSecretValue":
                arn = sent["SecretId"]
                return {"ARN": arn, "Name": arn, "SecretString": json.dumps(self.secrets[arn])}
            case "GenerateDataKey" | "Decrypt":
                plaintext = base64.b64encode(_DATA_KEY).decode()
                wrapped = base64.b64encode(b"wrapped").decode()
                return {"KeyId": TOKEN_KEY_ARN, "Plaintext": plaintext, "CiphertextBlob": wrapped}
            case "StartExecution":
                arn = MACHINE_ARN.replace("stateMachine", "execution")
                return {"executionArn": f"{arn}:{sent['name']}", "startDate": time.time()}
        raise AssertionError(f"no function sends {operation} at a cold start")


@contextmanager
def open_aws(folder: Path, answers: AwsAnswers) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve AWS for the `with` block. Yield its URL without TLS, and the environment with which a
    function reaches it with TLS, and reads as many authorities as it does at AWS."""
    tls, authority = open_server_tls_context(folder)
    bundle = folder / "authorities.pem"
    public = Path(botocore.__file__).with_name("cacert.pem")
    bundle.write_text(public.read_text() + authority.read_text())
    plain, encrypted = Server(answers, port=0).start(), Server(answers, port=0, tls=tls).start()
    try:
        url = f"https://localhost:{encrypted.port}"
        environment = {**LOCAL_CREDENTIALS, "AWS_ENDPOINT_URL": url, "AWS_CA_BUNDLE": str(bundle)}
        yield f"http://localhost:{plain.port}", environment
    finally:
        plain.stop()
        encrypted.stop()
