"""The code runs on every system and Python that README names; CI runs it on Linux only."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

import mailsync.api
from tests.support.paths import ROOT

PACKAGES = ("lambdas", "localdev", "dashboard", "infra")
OF_ONE_SYSTEM = re.compile(
    r"/proc/|/sys/|prctl|PDEATHSIG|sys\.platform|platform\.system|sched_|epoll|pidfd|memfd|inotify"
    r"|sigtimedwait|sigwaitinfo|pipe2|fadvise|eventfd|TCP_USER_TIMEOUT|TCP_KEEP"
)
GUARDED = {
    "localdev/engine/operating_system.py",
    "localdev/engine/fork_server_main.py",  # started where `HAS_SAFE_FORK` is true
}


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def test_few_modules_depend_on_the_operating_system() -> None:
    assert {path for path, text in sources() if OF_ONE_SYSTEM.search(text)} == GUARDED


def imported(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_nothing_is_imported_that_a_system_lacks() -> None:
    """The lock names a system beside each package that no other system installs."""
    lock = (ROOT / "requirements-dev.txt").read_text()
    partial = set(re.findall(r"^(\S+)==.*sys_platform", lock, re.MULTILINE))

    assert "awslambdaric" in partial
    assert [path for path, text in sources() if partial & set(imported(text))] == []


def models() -> list[type[BaseModel]]:
    for module in pkgutil.walk_packages(mailsync.api.__path__, "mailsync.api."):
        importlib.import_module(module.name)
    found: list[type[BaseModel]] = []
    left: list[type[BaseModel]] = [BaseModel]
    while left:
        left += (below := left.pop().__subclasses__())
        found += [each for each in below if each.__module__.startswith("mailsync.")]
    return found


def metadata_in_unions(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        if get_origin(annotation) in (Union, UnionType):
            yield from getattr(part, "__metadata__", ())
        yield from metadata_in_unions(part)


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_python_before_3_11_9_and_3_12_3_can_hash_the_members_of_a_union(
    model: type[BaseModel],
) -> None:
    for annotation in get_type_hints(model, include_extras=True).values():
        for each in metadata_in_unions(annotation):
            assert isinstance(hash(each), int)
