"""The synthesised template, given what the local stack has in place of AWS."""

import json
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.catalog import Function
from infra.mailsync_app import CDK_JSON, MailsyncApp
from localdev.containers.settings import fill_variables
from localdev.engine.aws_resources import CREDENTIALS
from localdev.private_files import write_private

STAGE = "dev"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
"""Of this machine's processor; a container for the other one would have to be emulated."""
CA_BUNDLE = "provider-ca.pem"


class LocalTemplate:
    """The stack of stage `dev`, for this machine's processor, in the folder `assembly`.

    `file` is what `sam local` is given, once `fill` has written it.
    """

    def __init__(self, assembly: Path) -> None:
        shutil.rmtree(assembly, ignore_errors=True)
        stages = json.loads(CDK_JSON.read_text())["context"]["stages"]
        stages[STAGE]["architecture"] = ARCHITECTURE
        # The CDK CLI sets it as well: `sam local` finds the code by these metadata.
        metadata = {"aws:cdk:enable-asset-metadata": True}
        context = {"stage": STAGE, "stages": stages, **metadata}
        MailsyncApp(outdir=str(assembly), context=context).synth()
        self._assembly = assembly
        self.file = assembly / "local.template.json"
        self._document = json.loads((assembly / f"Mailsync-{STAGE}-Sync.template.json").read_text())

    def fill(self, values: Mapping[str, str], *, ca_bundle: Path) -> None:
        """Gives each function the value of each variable that it has when it is deployed.

        None gets one more but CA_BUNDLE and what leads it to this machine's AWS endpoint, with
        credentials that are ours and win over those that `sam local` invents. The bundle's file
        comes into its code folder, the only one that a container sees.
        """
        for resource in self._functions().values():
            variables = resource["Properties"].setdefault("Environment", {})
            variables = variables.setdefault("Variables", {})
            variables.update(fill_variables(variables, values))
            variables.update({name: values[name] for name in ("AWS_ENDPOINT_URL", *CREDENTIALS)})
            variables["CA_BUNDLE"] = f"/var/task/{CA_BUNDLE}"
            code = self._assembly / resource["Metadata"]["aws:asset:path"]
            shutil.copyfile(ca_bundle, code / CA_BUNDLE)
        write_private(self.file, json.dumps(self._document))  # it holds secrets

    def logical_id(self, function: Function) -> str:
        return next(
            key
            for key, each in self._functions().items()
            if each["Properties"]["Handler"] == function.handler
        )

    def _functions(self) -> dict[str, Any]:
        """Ours; CDK adds one of its own, which runs the migration."""
        return {
            key: each
            for key, each in self._document["Resources"].items()
            if each["Type"] == "AWS::Lambda::Function"
            and each["Properties"]["Handler"].startswith("handlers.")
        }
