"""The CDK app. `python app.py` writes cdk.out without the CDK CLI and without an AWS account.

The stage is named by `cdk synth -c stage=prod`; cdk.json lists the stages and has the default.
"""

import os

from infra.mailsync_app import MailsyncApp

if __name__ == "__main__":
    MailsyncApp(
        outdir=os.environ.get("CDK_OUTDIR", "cdk.out"),
        account=os.environ.get("CDK_DEFAULT_ACCOUNT"),
        region=os.environ.get("CDK_DEFAULT_REGION"),
    ).synth()
