"""Deploy a stage to AWS: `make deploy STAGE=prod SETTINGS=settings.json`.

`steps` has the order. Each step finds out what is done already, so a second run continues after an
interruption and changes nothing in a stage that is up to date.
"""
