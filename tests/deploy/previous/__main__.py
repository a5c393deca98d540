"""`python -m tests.deploy.previous` records the present version as the previous one."""

import argparse
import shutil

from infra.catalog import STATEMACHINES, WORKFLOWS
from localdev import samples
from mailsync.store.statements import statements
from tests.deploy.previous import EVENTS, QUERIES, STATEMACHINE
from tests.workflow.test_definitions import states


def main() -> None:
    recorded = (f"-- {name} --\n{text}\n" for name, text in statements().items())
    QUERIES.write_text("\n".join(recorded))
    for folder in (STATEMACHINE, EVENTS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for workflow in WORKFLOWS:
        shutil.copyfile(STATEMACHINES / workflow.file, STATEMACHINE / workflow.file)
        for name, state in states(workflow):
            if state["Type"] == "Task":
                shutil.copyfile(samples.EVENTS / f"{name}.json", EVENTS / f"{name}.json")


if __name__ == "__main__":
    # Asked for help, it must not record.
    argparse.ArgumentParser(
        prog="python -m tests.deploy.previous", description=__doc__
    ).parse_args()
    main()
