"""Deploy a stage to AWS: `make deploy STAGE=prod SETTINGS=settings.json`.

The module `steps` runs the steps in order. Each step skips what an earlier deployment has done
already. So a second deployment continues after an interruption, and changes nothing in a stage that
is up to date.
"""
