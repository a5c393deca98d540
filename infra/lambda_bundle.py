"""The one code asset of all functions, built without Docker.

Dependencies come as wheels for Lambda's platform from a hashed lock, so the same bundle comes
out of any machine; see docs/adr/0002-bundling-without-docker.md. They are kept in a cache, so
that only the first build needs the network.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent
LAMBDAS = ROOT / "lambdas"
LOCK = LAMBDAS / "requirements.lock"
SOURCES = ("handlers", "mailsync")
CACHE = ROOT / "build" / "dependencies"

PYTHON_VERSION = "3.13"
# Lambda's Python 3.13 runs on Amazon Linux 2023 with glibc 2.34; most wheels ask for 2.28.
UV_PLATFORM = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}

_NO_CACHES = shutil.ignore_patterns("__pycache__")


def lambda_code(architecture: str) -> lambda_.Code:
    """The asset for `architecture`; built at synthesis, unless its fingerprint was built before."""
    return lambda_.Code.from_asset(
        str(LAMBDAS),
        asset_hash=fingerprint(architecture),
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("never-pulled"),
            local=_LocalBundle(architecture),
        ),
    )


def fingerprint(architecture: str) -> str:
    """SHA-256 over all that decides the bundle: sources, lock, architecture and bytecode."""
    files = [
        path
        for source in SOURCES
        for path in sorted((LAMBDAS / source).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    facts = [architecture, str(_bytecode_compiler() is not None)]
    return _digest(facts, [Path(__file__), LOCK, *files])


def write_bundle(target: Path, *, architecture: str, cache: Path = CACHE) -> None:
    """Fill `target` with dependencies, sources and their bytecode.

    Raises:
        subprocess.CalledProcessError: uv could not install the lock; it has said why.
    """
    shutil.copytree(_dependencies(architecture, cache), target, dirs_exist_ok=True)
    for source in SOURCES:
        shutil.copytree(LAMBDAS / source, target / source, ignore=_NO_CACHES)
        _compile(target / source, root=target)


@jsii.implements(cdk.ILocalBundling)
class _LocalBundle:
    def __init__(self, architecture: str) -> None:
        self._architecture = architecture

    def try_bundle(self, output_dir: str, *_: object, **__: object) -> bool:
        write_bundle(Path(output_dir), architecture=self._architecture)
        return True


def _dependencies(architecture: str, cache: Path) -> Path:
    """The folder of installed dependencies, shared by all builds of one lock."""
    compiles = str(_bytecode_compiler() is not None)
    folder = cache / _digest([architecture, compiles, PYTHON_VERSION], [LOCK])
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        # Renamed when complete: a build that was interrupted leaves nothing behind to be trusted.
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            unfinished = Path(scratch) / "packages"
            _install(unfinished, architecture)
            _compile(unfinished, root=unfinished)
            unfinished.rename(folder)
    return folder


def _install(target: Path, architecture: str) -> None:
    command = [find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--no-deps"]
    command += ["--target", str(target), "--only-binary", ":all:", "--require-hashes"]
    command += ["--python-platform", UV_PLATFORM[architecture], "--python-version", PYTHON_VERSION]
    subprocess.run([*command, "--requirements", str(LOCK)], check=True)  # noqa: S603
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)


def _compile(folder: Path, *, root: Path) -> None:
    """Bytecode that Lambda, whose code folder is read-only, could never keep for itself.

    Unchecked: the files' times, which a deployment resets, do not matter.
    """
    python = _bytecode_compiler()
    if python is None:
        print(
            f"No Python {PYTHON_VERSION} here: the bundle has no bytecode, cold starts are slower."
        )
        return
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root), "-p", "/var/task", str(folder)]
    subprocess.run(command, check=True)  # noqa: S603


def _bytecode_compiler() -> str | None:
    """A Python of Lambda's version; bytecode of any other would be ignored there."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON_VERSION:
        return sys.executable
    return shutil.which(f"python{PYTHON_VERSION}")


def _digest(facts: list[str], files: Iterable[Path]) -> str:
    digest = hashlib.sha256(json.dumps(facts).encode())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()
