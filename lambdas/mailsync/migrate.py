"""Apply the missing migrations to a database: `make migrate DATABASE_URL=...`."""

import argparse
import sys

from mailsync.errors import MailsyncError
from mailsync.settings import load_settings
from mailsync.store.connection import database_target
from mailsync.store.migrate import migrate, plan_migrations


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 if the schema is up to date or was brought up to date, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m mailsync.migrate",
        description="Applies the missing migrations to the database of MIGRATION_DATABASE_URL,"
        " or else of DATABASE_URL; only the schema mailsync is touched.",
    )
    parser.add_argument("--plan", action="store_true", help="only say what would be applied")
    only_plan = parser.parse_args(arguments).plan
    try:
        settings = load_settings()
        target = database_target(settings, as_owner=True)
        versions = plan_migrations(settings) if only_plan else migrate(settings)
    except MailsyncError as error:
        print(error, file=sys.stderr)
        return 1
    done = f"{'would apply' if only_plan else 'applied'} {', '.join(versions)}"
    where = f"{target.database} on {target.socket_dir or target.host}"
    print(f"{where}: {done if versions else 'nothing to apply'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
