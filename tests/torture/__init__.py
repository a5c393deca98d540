"""Nothing lost, nothing twice: syncs are killed at every single call and along random histories.

`python -m tests.torture --help` says how; `test_sample.py` runs a share of it in every test run.
"""
