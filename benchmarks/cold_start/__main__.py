"""`python -m benchmarks.cold_start`: from the start of a function's process to its first response.

Each function runs as it is deployed: the bundle with its bytecode, Lambda's Python without other
packages than boto3's, AWS's own runtime client, settings in Secrets Manager over TLS. Database, AWS
and Microsoft Graph are on this machine. With `--compare COMMIT` each start of this tree alternates
with one of that commit, so a busy machine affects both alike.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.cold_start.bundles import export_commit, link_runtime_packages, write_bundle
from benchmarks.cold_start.stage import Case, open_stage
from benchmarks.cold_start.start import ColdStart, start_cold
from benchmarks.imap.__main__ import add_postgres_option
from infra.lambda_bundle import REPOSITORY_ROOT
from tests.support.dovecot import readable_folder

OUT = Path("build/bench-cold-start.json")
THIS_TREE = "this tree"
Starts = dict[str, list[ColdStart]]


def main() -> int:
    options = _options()
    results: dict[str, Starts] = {}
    with readable_folder() as folder:
        bundles = _write_bundles(folder, options.compare)
        packages = link_runtime_packages(folder / "runtime")
        with open_stage(folder, options.postgres) as stage:
            for case in stage.cases:
                starts: Starts = defaultdict(list)
                for number in range(options.starts + 1):
                    for name, bundle in bundles.items():
                        start = _start(case, bundle, packages, folder)
                        stage.reset()
                        if number:  # the first one of a bundle reads its files from the disk
                            starts[name].append(start)
                results[case.name] = starts
                print(_format(case.name, starts), flush=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(_to_json(results), indent=1) + "\n")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_start", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--starts", type=int, default=15, help="of each function and tree")
    parser.add_argument("--compare", metavar="COMMIT", help="commit to compare this tree with")
    add_postgres_option(parser)
    return parser.parse_args()


def _write_bundles(folder: Path, commit: str | None) -> dict[str, Path]:
    bundles = {THIS_TREE: write_bundle(REPOSITORY_ROOT, folder / "bundle")}
    if commit:
        tree = export_commit(commit, folder / "tree")
        bundles = {commit: write_bundle(tree, folder / "compared"), **bundles}
    return bundles


def _start(case: Case, bundle: Path, packages: Path, folder: Path) -> ColdStart:
    start = start_cold(
        case.function,
        case.event,
        bundle=bundle,
        runtime_packages=packages,
        settings=case.settings,
        log=folder / "cold.log",
    )
    if not case.is_expected(json.loads(start.payload)):
        raise AssertionError(f"{case.name}: {start.payload!r}")
    return start


def _format(case: str, starts: Starts) -> str:
    lines = [f"\n{case}", f"{'ms':<14}{'first response':>18}{'CPU':>18}{'init':>18}"]
    lines.append(f"{'':<14}" + 3 * f"{'best':>9}{'median':>9}")
    for tree, measured in starts.items():
        columns = zip(*((each.wall_s, each.cpu_s, each.init_s) for each in measured), strict=True)
        cells = (f"{each * 1000:>9.0f}" for values in columns for each in _summary(values))
        lines.append(f"{tree[:13]:<14}{''.join(cells)}")
    if len(starts) == 2:
        before, after = starts.values()
        ratios = [
            after_value / before_value
            for name in ("wall_s", "cpu_s", "init_s")
            for before_value, after_value in zip(
                _summary([getattr(each, name) for each in before]),
                _summary([getattr(each, name) for each in after]),
                strict=True,
            )
        ]
        lines.append(f"{'ratio':<14}{''.join(f'{each:>9.2f}' for each in ratios)}")
    return "\n".join(lines)


def _summary(values: "list[float] | tuple[float, ...]") -> tuple[float, float]:
    return min(values), statistics.median(values)


def _to_json(results: dict[str, Starts]) -> dict[str, dict[str, list[list[float]]]]:
    return {
        case: {
            tree: [[each.wall_s, each.cpu_s, each.init_s] for each in measured]
            for tree, measured in starts.items()
        }
        for case, starts in results.items()
    }


if __name__ == "__main__":
    sys.exit(main())
