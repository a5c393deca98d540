"""Build the code asset that all Lambda functions share, without Docker.

The dependencies are wheels for Lambda's platform, which a lock file lists with hashes. So every
machine installs the same dependencies (docs/adr/0002-bundling-without-docker.md). A machine without
Lambda's Python version builds a bundle without bytecode. The dependencies are cached; only the
first build needs the network.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_
from uv import find_uv_bin

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent
LAMBDAS_DIRECTORY = REPOSITORY_ROOT / "lambdas"
PRODUCT_PACKAGES_IN_BUNDLE = ("handlers", "mailsync")
DEPENDENCY_CACHE_FOLDER = REPOSITORY_ROOT / "build" / "dependencies"

PYTHON_VERSION = "3.13"
# Lambda's Python 3.13 runs on Amazon Linux 2023 with glibc 2.34; most wheels ask for 2.28.
UV_PLATFORM_BY_ARCHITECTURE = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}


def build_lambda_code_asset(architecture: str) -> lambda_.Code:
    """Return the code asset for the CPU architecture ("arm64" or "x86_64"). At synthesis, CDK
    builds the asset's bundle if no bundle with the same fingerprint exists."""
    bundle = LambdaBundle(architecture=architecture)
    return lambda_.Code.from_asset(
        str(LAMBDAS_DIRECTORY),
        asset_hash=bundle.compute_input_fingerprint(),
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("never-pulled"), local=bundle
        ),
    )


@jsii.implements(cdk.ILocalBundling)
class LambdaBundle:
    """Builds the bundle for one architecture (arm64 or x86_64): dependencies, sources and their
    bytecode."""

    def __init__(
        self,
        *,
        architecture: str,
        lambdas: Path = LAMBDAS_DIRECTORY,
        cache: Path = DEPENDENCY_CACHE_FOLDER,
    ) -> None:
        self._architecture = architecture
        self._lambdas = lambdas
        self._lock = lambdas / "requirements.lock"
        self._cache = cache
        self._compiler = _bytecode_compiler()

    def compute_input_fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all inputs of the bundle, including this file."""
        files = [
            path
            for source in PRODUCT_PACKAGES_IN_BUNDLE
            for path in sorted((self._lambdas / source).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        ]
        digest = hashlib.sha256(f"{self._dependencies_key()} {_sha256(Path(__file__))}".encode())
        for path in files:
            digest.update(f"{path.relative_to(self._lambdas)} {_sha256(path)}\n".encode())
        return digest.hexdigest()

    def try_bundle(self, output_dir: str, *_: object, **__: object) -> bool:
        """Write the bundle to `output_dir` and return True; implements ILocalBundling."""
        self.write_to_folder(Path(output_dir))
        return True

    def write_to_folder(self, target: Path) -> None:
        """Write the bundle to the folder `target`.

        Raises subprocess.CalledProcessError when uv could not install the dependencies; uv's output
        has the reason.
        """
        shutil.copytree(self._dependencies(), target, dirs_exist_ok=True)
        for source in PRODUCT_PACKAGES_IN_BUNDLE:
            shutil.copytree(
                self._lambdas / source,
                target / source,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
            self._compile(target / source, root=target)

    def _dependencies(self) -> Path:
        """Return the folder with the installed dependencies; install them at the first call for a
        lock file."""
        folder = self._cache / self._dependencies_key()
        if not folder.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            # Renamed when complete, so the result of an interrupted build is never used.
            with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
                unfinished = Path(scratch) / "packages"
                _install(self._lock, unfinished, architecture=self._architecture)
                self._compile(unfinished, root=unfinished)
                try:
                    unfinished.rename(folder)
                except OSError:
                    if not folder.exists():  # another build can finish first, with the same result
                        raise
        return folder

    def _dependencies_key(self) -> str:
        bytecode = "bytecode" if self._compiler else "source"
        return f"{self._architecture}-{PYTHON_VERSION}-{bytecode}-{_sha256(self._lock)[:16]}"

    def _compile(self, folder: Path, *, root: Path) -> None:
        """Compile the Python files in `folder` to bytecode. Lambda cannot store bytecode, because
        its code folder is read-only."""
        if self._compiler is None:
            print(
                f"No Python {PYTHON_VERSION} here: the bundle has no bytecode, starts are slower."
            )
            return
        # Unchecked: a deployment resets the files' times, by which bytecode is usually checked.
        command = [self._compiler, "-m", "compileall", "-q"]
        command += ["--invalidation-mode", "unchecked-hash"]
        command += ["-s", str(root), "-p", "/var/task", str(folder)]
        subprocess.run(command, check=True)  # noqa: S603


def _install(lock: Path, target: Path, *, architecture: str) -> None:
    command = [find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--no-deps"]
    command += ["--target", str(target), "--only-binary", ":all:", "--require-hashes"]
    command += [
        "--python-platform",
        UV_PLATFORM_BY_ARCHITECTURE[architecture],
        "--python-version",
        PYTHON_VERSION,
    ]
    command += ["--requirements", str(lock)]
    subprocess.run(command, check=True)  # noqa: S603
    # Command-line scripts and uv's own lock file have no use in Lambda.
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)


def _bytecode_compiler() -> str | None:
    """Return the path of a Python with Lambda's version. None: there is none that runs, and the
    bundle gets no bytecode.

    Lambda ignores bytecode of any other version. A version manager such as pyenv puts a
    `python3.13` on the PATH that fails where this version is not installed.
    """
    is_same = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{PYTHON_VERSION}')"
    for command in (sys.executable, shutil.which(f"python{PYTHON_VERSION}")):
        try:
            if (
                command
                and subprocess.run(  # noqa: S603
                    [command, "-c", is_same], capture_output=True, check=False
                ).returncode
                == 0
            ):
                return command
        except OSError:  # no program, or one of another processor
            continue
    return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
