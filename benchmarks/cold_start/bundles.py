"""Write the bundles to compare: what a deployment of a tree uploads, and what AWS's runtime adds to
it."""

import platform
import subprocess
import sys
from pathlib import Path

import botocore

from infra.lambda_bundle import DEPENDENCY_CACHE_FOLDER, REPOSITORY_ROOT

_ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
_RUNTIME_PACKAGES = (
    *("awslambdaric", "runtime_client.*", "snapshot_restore_py*", "simplejson"),
    *("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3"),
)
"""What Lambda's Python has beside the standard library (AWS Lambda Developer Guide, "Runtime
dependencies in Python")."""
_WRITE = """
import sys
from pathlib import Path
from infra.lambda_bundle import LambdaBundle
architecture, cache, target = sys.argv[1:]
LambdaBundle(architecture=architecture, cache=Path(cache)).try_bundle(target)
"""


def write_bundle(tree: Path, target: Path) -> Path:
    """Write the bundle of the tree for this machine's processor, with the tree's own code, and
    return its folder. Dependencies are installed once for all trees with the same lock file."""
    subprocess.run(
        [sys.executable, "-P", "-c", _WRITE, _ARCHITECTURE, DEPENDENCY_CACHE_FOLDER, target],
        check=True,
        cwd=tree,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{tree / 'lambdas'}:{tree}"},
    )
    return target


def export_commit(commit: str, target: Path) -> Path:
    """Write the files of a commit from which a bundle is made, and return their folder."""
    target.mkdir()
    archive = subprocess.run(
        ["git", "archive", commit, "lambdas", "infra"],
        check=True,
        cwd=REPOSITORY_ROOT,
        capture_output=True,
    ).stdout
    subprocess.run(["tar", "-x"], check=True, cwd=target, input=archive)
    return target


def link_runtime_packages(target: Path) -> Path:
    """Fill the folder with the packages of AWS's runtime, from those of the virtual environment,
    and return it."""
    target.mkdir()
    installed = Path(botocore.__file__).parent.parent
    for pattern in _RUNTIME_PACKAGES:
        for path in installed.glob(pattern):
            (target / path.name).symlink_to(path)
    return target
