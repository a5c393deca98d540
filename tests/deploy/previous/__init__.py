"""What the previous version said to its functions and its database; recorded, never edited.

An execution keeps the definition with which it began, and functions of the version before work
on while a deployment migrates the database. So today's functions must take these payloads and
answer what these definitions read, and these statements must run on today's schema.

After a version has been deployed everywhere, `python -m tests.deploy.previous` records it.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
STATEMACHINE = ROOT / "statemachine"
EVENTS = ROOT / "events"
QUERIES = ROOT / "queries.sql"
SEALED = ROOT / "sealed"
"""A database with values that were bound to their owner alone, and their key; not recorded anew."""
