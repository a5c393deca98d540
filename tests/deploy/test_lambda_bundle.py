"""The code asset: complete, small, for the right processor, rebuilt exactly when it must be.

The bundles are real; the first run fetches wheels from uv's cache or the package registry.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from infra.lambda_bundle import LambdaBundle

LAMBDAS = ROOT / "lambdas"
HERE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
ELF_MACHINE = {"x86_64": 0x3E, "arm64": 0xB7}
LIBRARIES = [
    "aws_lambda_powertools.event_handler",
    "cryptography.hazmat.primitives.ciphers.aead",
    *("handlers", "httpx", "jwt", "mailsync", "msal", "orjson", "pg8000", "pydantic"),
]


@pytest.fixture(scope="module")
def bundles() -> type[LambdaBundle]:
    """Not on import: tests/deploy/synthesis.py has the reason."""
    from infra.lambda_bundle import LambdaBundle

    return LambdaBundle


@pytest.fixture(scope="module")
def bundle(bundles: type[LambdaBundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for the processor of this machine."""
    folder = tmp_path_factory.mktemp("bundle")
    bundles(architecture=HERE).write_to_folder(folder)
    return folder


@pytest.fixture
def lambdas(tmp_path: Path) -> Path:
    """A copy of the sources that a test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(LAMBDAS, tmp_path / "lambdas", ignore=ignored))


def test_everything_the_functions_need_is_imported_from_the_bundle(bundle: Path) -> None:
    """boto3 and jmespath stand last on the path, as in Lambda."""
    from infra.lambda_bundle import PYTHON_VERSION

    if f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON_VERSION:
        pytest.skip("the wheels are for Lambda's Python")
    runtime = next(path for path in sys.path if path.endswith("site-packages"))
    program = f"""
import importlib, sys
sys.path[:0], sys.path[len(sys.path):] = [{str(bundle)!r}], [{runtime!r}]
for name in {LIBRARIES!r}:
    assert importlib.import_module(name).__file__.startswith({str(bundle)!r}), name
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_bundle_fits_well_into_lambdas_limit_of_250_megabytes(bundle: Path) -> None:
    size_bytes = sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file())

    assert 20_000_000 < size_bytes < 60_000_000


def test_the_bundle_leaves_botocore_to_the_runtime_and_suits_it(bundle: Path) -> None:
    """botocore declares python-dateutil<3 and urllib3<3; Lambda gives it ours."""
    present = {path.name for path in bundle.iterdir()}

    assert not present & {"boto3", "botocore", "s3transfer", "jmespath"}
    assert not present & {"infra", "localdev", "bin", ".lock"}
    for library in ("python_dateutil", "urllib3"):
        assert any(name.startswith(f"{library}-2.") for name in present)


def test_every_native_library_is_for_the_architecture_asked_for(
    bundles: type[LambdaBundle], bundle: Path, tmp_path: Path
) -> None:
    (other,) = ELF_MACHINE.keys() - {HERE}
    bundles(architecture=other).write_to_folder(tmp_path)

    for architecture, folder in ((HERE, bundle), (other, tmp_path)):
        libraries = list(folder.rglob("*.so"))
        assert libraries
        machines = {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries}
        assert machines == {ELF_MACHINE[architecture]}


def test_a_changed_source_or_lock_or_architecture_makes_another_asset_and_bytecode_does_not(
    bundles: type[LambdaBundle], lambdas: Path
) -> None:
    """Bytecode is left behind by each run."""

    def fingerprint(architecture: str = "arm64") -> str:
        return bundles(architecture=architecture, lambdas=lambdas).compute_input_fingerprint()

    seen = [fingerprint(), fingerprint("x86_64")]
    (lambdas / "mailsync" / "added.sql").write_text("select 1")
    seen.append(fingerprint())
    with (lambdas / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    seen.append(fingerprint())

    assert len(set(seen)) == 4

    cache = lambdas / "mailsync" / "__pycache__"
    cache.mkdir()
    (cache / "model.cpython-313.pyc").write_bytes(b"bytecode")
    assert fingerprint() == seen[-1]


def test_make_lock_makes_the_lock_of_the_bundle_with_hashes_and_the_versions_tested_here() -> None:
    command = ["make", "--dry-run", "-o", ".venv/ready", "lock"]
    recipe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    *_, locked = (ROOT / "lambdas/requirements.lock").read_text().partition("make lock\n")
    packages = [each.split() for each in locked.replace("\\\n", " ").splitlines()]
    tested = {each.split()[0] for each in (ROOT / "requirements-dev.txt").read_text().splitlines()}

    assert re.search(r"--generate-hashes .* -o lambdas/requirements.lock\n", recipe, re.DOTALL)
    assert len(packages) > 10
    for pin, *hashes in packages:
        assert pin in tested
        assert hashes
        assert all(each.startswith("--hash=sha256:") for each in hashes)


def test_a_dependency_whose_hash_is_not_the_locked_one_is_refused(
    bundles: type[LambdaBundle], lambdas: Path, tmp_path: Path
) -> None:
    wrong = "--hash=sha256:" + "0" * 64
    (lambdas / "requirements.lock").write_text(f"six==1.17.0 {wrong}\n")
    cache = tmp_path / "cache"

    with pytest.raises(subprocess.CalledProcessError):
        bundles(architecture="arm64", lambdas=lambdas, cache=cache).write_to_folder(
            tmp_path / "out"
        )
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("shim", ["#!/bin/sh\nexit 127\n", "no program"])
def test_a_python_on_the_path_that_does_not_run_only_costs_the_bytecode(
    bundles: type[LambdaBundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shim: str
) -> None:
    """pyenv's shim of a version that is not installed; the Python that synthesises is another."""
    (tmp_path / "bin").mkdir()
    for name in ("python3.13", "python3.11"):
        (tmp_path / "bin" / name).write_text(shim)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python3.11"))
    monkeypatch.setattr(sys, "version_info", (3, 11, 2, "final", 0))
    bundle = bundles(architecture=HERE, cache=tmp_path / "cache")
    monkeypatch.undo()
    bundle.write_to_folder(tmp_path / "out")

    assert (tmp_path / "out" / "handlers" / "api.py").exists()
    assert not list((tmp_path / "out").rglob("*.pyc"))
