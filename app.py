"""The CDK app. `python app.py` writes cdk.out without the CDK CLI and without an AWS account.

cdk.json lists the stages and the default stage. Select another stage with `make synth STAGE=prod`
or `cdk deploy -c stage=prod`.
"""

import os

from infra.mailsync_app import MailsyncApp

if __name__ == "__main__":
    stage = os.environ.get("STAGE")
    MailsyncApp(
        outdir=os.environ.get("CDK_OUTDIR", "cdk.out"),
        context={"stage": stage} if stage else None,
        account=os.environ.get("CDK_DEFAULT_ACCOUNT"),
        region=os.environ.get("CDK_DEFAULT_REGION"),
    ).synth()
