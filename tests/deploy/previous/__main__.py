"""`python -m tests.deploy.previous` records the present version as the previous one."""

import argparse
import zipfile
from collections.abc import Mapping
from io import BytesIO

from infra.catalog import STATE_MACHINE_DEFINITION_FOLDER, WORKFLOWS
from localdev import samples
from mailsync.store.statements import load_sql_statements
from tests.deploy.previous import ARCHIVE, SEALED
from tests.workflow.test_definitions import states


def present() -> dict[str, str]:
    """Return the text of each file of the archive by its name."""
    files = {f"sealed/{each.name}": each.read_text() for each in SEALED.iterdir()}
    headed = (f"-- {name} --\n{text}\n" for name, text in load_sql_statements().items())
    files["queries.sql"] = "\n".join(headed)
    for workflow in WORKFLOWS:
        files[f"statemachine/{workflow.asl_file_name}"] = (
            STATE_MACHINE_DEFINITION_FOLDER / workflow.asl_file_name
        ).read_text()
        for name, state in states(workflow):
            if state["Type"] == "Task":
                files[f"events/{name}.json"] = (
                    samples.SAMPLE_EVENT_FILES_FOLDER / f"{name}.json"
                ).read_text()
    return files


def archived(files: Mapping[str, str]) -> bytes:
    """Return an archive of the files: the same bytes for the same text, whenever it is made."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # of 1980, as without a date
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return made.getvalue()


if __name__ == "__main__":
    # Asked for help, it must not record.
    argparse.ArgumentParser(
        prog="python -m tests.deploy.previous", description=__doc__
    ).parse_args()
    ARCHIVE.write_bytes(archived(present()))
