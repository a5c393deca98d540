"""Synthesise the CloudFormation template, and put local values in the place of AWS resources."""

import json
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.catalog import Function
from infra.mailsync_app import CDK_JSON_FILE, MailsyncApp
from localdev.containers.settings import replace_template_environment_values
from localdev.engine.aws_resources import LOCAL_CREDENTIALS
from localdev.private_files import write_private_file

TEMPLATE_STAGE_NAME = "dev"
LOCAL_PROCESSOR_ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[
    platform.machine()
]
"""This machine's processor type as Lambda names it; containers of another type need emulation."""
CA_BUNDLE_FILE_NAME = "provider-ca.pem"


class LocalTemplate:
    """The template that `sam local` reads: the CloudFormation template of stage `dev`, with values
    for this machine. The constructor synthesises the stage into the folder `assembly`.

    file: path of the template. `write_template_with_local_values` writes it.
    """

    def __init__(self, assembly: Path) -> None:
        shutil.rmtree(assembly, ignore_errors=True)
        stages = json.loads(CDK_JSON_FILE.read_text())["context"]["stages"]
        stages[TEMPLATE_STAGE_NAME]["architecture"] = LOCAL_PROCESSOR_ARCHITECTURE
        # `sam local` finds the code by these metadata. The CDK CLI enables them too.
        metadata = {"aws:cdk:enable-asset-metadata": True}
        context = {"stage": TEMPLATE_STAGE_NAME, "stages": stages, **metadata}
        MailsyncApp(outdir=str(assembly), context=context).synth()
        self._assembly = assembly
        self.file = assembly / "local.template.json"
        self._document = json.loads(
            (assembly / f"Mailsync-{TEMPLATE_STAGE_NAME}-Sync.template.json").read_text()
        )

    def write_template_with_local_values(
        self, values: Mapping[str, str], *, ca_bundle: Path
    ) -> None:
        """Write the template to `file`, with local `values` of the functions' environment
        variables.

        Every function also gets CA_BUNDLE, the URL of the local AWS endpoint, and credentials for
        that endpoint. These credentials take precedence over those that `sam local` makes up. The
        file `ca_bundle` is copied to the functions' code folder, the only folder that a container
        sees.
        """
        for resource in self._functions().values():
            variables = resource["Properties"].setdefault("Environment", {})
            variables = variables.setdefault("Variables", {})
            variables.update(replace_template_environment_values(variables, values))
            variables.update(
                {name: values[name] for name in ("AWS_ENDPOINT_URL", *LOCAL_CREDENTIALS)}
            )
            variables["CA_BUNDLE"] = f"/var/task/{CA_BUNDLE_FILE_NAME}"
            code = self._assembly / resource["Metadata"]["aws:asset:path"]
            shutil.copyfile(ca_bundle, code / CA_BUNDLE_FILE_NAME)
        write_private_file(self.file, json.dumps(self._document))  # it holds secrets

    def find_logical_id_of_function(self, function: Function) -> str:
        return next(
            key
            for key, each in self._functions().items()
            if each["Properties"]["Handler"] == function.qualified_handler_name
        )

    def _functions(self) -> dict[str, Any]:
        """Return Mailsync's functions in the template by their logical ids, without the function
        that the CDK adds to call the migration function."""
        return {
            key: each
            for key, each in self._document["Resources"].items()
            if each["Type"] == "AWS::Lambda::Function"
            and each["Properties"]["Handler"].startswith("handlers.")
        }
