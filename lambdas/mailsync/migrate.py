"""Apply the missing migrations to a database: `make migrate DATABASE_URL=...`."""

import argparse
import sys
from contextlib import closing

from mailsync.errors import MailsyncError
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database, read_connection_parameters
from mailsync.store.migrate import apply_migrations, apply_schema_contraction, plan_migrations
from mailsync.store.placement_store import PlacementBackfillStore


def main(arguments: list[str]) -> int:
    """Apply the missing migrations to the database that the settings name, or do what an option
    requests instead; return the exit code.

    Returns 0 after success, also if no migration was missing; 1 after an error; 130 after an
    interrupt from the keyboard.
    """
    parser = argparse.ArgumentParser(
        prog="python -m mailsync.migrate",
        description="Applies the missing migrations to the database of MIGRATION_DATABASE_URL,"
        " or else of DATABASE_URL; only the schema mailsync is touched.",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--plan", action="store_true", help="only say what would be applied")
    action.add_argument(
        "--fill",
        action="store_true",
        help="give the messages of an earlier version their placements, also in accounts that no"
        " longer sync; nothing is migrated",
    )
    action.add_argument(
        "--contract",
        action="store_true",
        help="drop what only functions of the version before need; run it when none is left",
    )
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        target = read_connection_parameters(settings, as_owner=True)
        done = _act(settings, options)
    except MailsyncError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What was finished stays; run the command again.", file=sys.stderr)
        return 130
    print(f"{target.database} on {target.socket_dir or target.host}: {done}")
    return 0


def _act(settings: Settings, options: argparse.Namespace) -> str:
    """Run the command that the options select; return a sentence about the result."""
    if options.contract:
        apply_schema_contraction(settings)
        return "contracted"
    if options.fill:
        with closing(Database(settings)) as database:
            filled = sum(
                1 for _ in PlacementBackfillStore(database).create_placements_account_by_account()
            )
        return f"filled {filled} accounts"
    versions = plan_migrations(settings) if options.plan else apply_migrations(settings)
    if not versions:
        return "nothing to apply"
    return f"{'would apply' if options.plan else 'applied'} {', '.join(versions)}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
