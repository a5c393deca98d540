"""Real Postgres for whoever asks: one server per test process, a fresh database per test."""

import os

for name in [each for each in os.environ if each.startswith(("AWS_", "DATABASE_", "MICROSOFT_"))]:
    del os.environ[name]
