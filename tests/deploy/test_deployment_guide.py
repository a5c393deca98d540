"""docs/deploy.md names what exists: settings, secrets, outputs, make targets, files."""

import json
import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

from infra.setting_formats import PLACEHOLDER_VALUE_PATTERN
from infra.settings import StageSettings
from tests.deploy.template import Template
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/deploy.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
EXAMPLES = "\n".join(re.findall(r"^```\w*\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE))


def table_after(heading: str) -> set[str]:
    """The names in the first column of the table that begins with this line."""
    table = GUIDE.split(f"{heading}\n", 1)[1].split("\n\n", 1)[0]
    first_cells = [row.split("|")[1] for row in table.splitlines()[1:]]
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_setting_of_a_stage_is_explained_and_no_other() -> None:
    settings = {each.name for each in fields(StageSettings)} - {"name"}

    assert table_after("| setting | is | default |") == settings


def test_every_field_of_the_secrets_is_explained() -> None:
    from infra.secret_fields import FIELD_NAMES_BY_SECRET

    fields_of_all = {field for each in FIELD_NAMES_BY_SECRET.values() for field in each}
    assert table_after("| field | |") >= fields_of_all


def test_every_output_is_named(sync: Template, stateful: Template) -> None:
    names = {name for name in stateful.outputs if not name.startswith("PublishOutput")}

    for name in names | sync.outputs.keys():
        assert f"`{name}`" in GUIDE


def test_every_make_target_and_every_file_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(r"make ([a-z]+)", EXAMPLES):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"`((?:tests|events|docs)/[\w./]*)`", GUIDE):
        assert (ROOT / path).exists(), path


def test_the_stacks_have_the_names_that_the_commands_use(assembly: Path) -> None:
    stacks = {each.name.split(".")[0] for each in assembly.glob("*.template.json")}

    assert set(re.findall(r"Mailsync-prod-\w+", EXAMPLES)) == stacks


def test_the_operations_page_names_alarms_and_functions_that_exist(sync: Template) -> None:
    ids = " ".join(sync.resources)
    alarms = set(re.findall(r"[Tt]he alarm `?(\w+)`? (?:means|fires|has)", OPERATIONS))
    alarms |= set(re.findall(r"(Throttled\w+) for", OPERATIONS))
    functions = set(re.findall(r"`?(Functions\w+Function)\b", OPERATIONS))

    assert {"ThrottledMicrosoft", "PublishEventsFails"} < alarms
    for name in {f"WatchAlarms{each}" for each in alarms - {"also"}} | functions:
        assert re.search(rf"\b{name}[0-9A-F]{{8}}\b", ids), name


def blocks_of_commands() -> list[str]:
    guides = GUIDE + (ROOT / "docs/aurora.md").read_text()
    return re.findall(r"^```\n(.*?)^```", guides, re.DOTALL | re.MULTILINE)


def test_every_command_can_be_pasted() -> None:
    """None has a part to be replaced; a variable was set by a command before."""
    known: set[str] = set()
    for block in blocks_of_commands():
        if "►" in block:  # a drawing
            continue
        known |= set(re.findall(r"^(?:export )?(\w+)=", block, re.MULTILINE))
        checked = subprocess.run(["bash", "-n"], input=block, text=True, check=False)

        assert checked.returncode == 0, block
        assert not PLACEHOLDER_VALUE_PATTERN.search(block.replace("LOGIN PASSWORD", "")), block
        assert set(re.findall(r"\$(\w+)", block)) <= known, block


def test_the_guide_needs_few_commands_and_one_file_to_edit() -> None:
    first = next(each for each in blocks_of_commands())

    assert first.splitlines() == [
        "install -m 600 settings.example.json settings.json",
        "make deploy STAGE=prod SETTINGS=settings.json",
    ]
    example = json.loads((ROOT / "settings.example.json").read_text())
    assert set(example["stage"]) <= {each.name for each in fields(StageSettings)}
    assert set(example["secrets"]) <= table_after("| field | |")


def test_no_secret_of_the_guide_is_committed_or_readable_by_others(tmp_path: Path) -> None:
    """Neither a process list nor the mode of a file shows it to other users of the machine."""
    (register,) = (each for each in blocks_of_commands() if "app-key.pem" in each)
    shutil.copy(ROOT / "settings.example.json", tmp_path)
    copy = "install -m 600 settings.example.json settings.json\n"
    script = f"umask 022\n{copy}{register}"
    subprocess.run(["bash", "-e"], input=script, text=True, cwd=tmp_path, check=True)
    secret = ("settings.json", "app-key.pem", "app.pem")

    assert {each: (tmp_path / each).stat().st_mode & 0o777 for each in secret} == dict.fromkeys(
        secret, 0o600
    )
    named = [*secret, "prod-ca-2021.crt"]
    ignored = subprocess.run(
        ["git", "check-ignore", *named], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.split() == named
    assert not re.search(r"python .*\"\$JWT_SECRET\"", EXAMPLES)
