"""Show the results of a run: the table on stdout, and the plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.graph.plots import PlotRow, dot_plot

Row = dict[str, Any]
_HEAD = (
    "   full      ids    bound    ours  of the    guide  slower   newest 50, s   trips"
    "  in flight   CPU, ms   CPU, ms  Postgres     RSS\n"
    "     ms  x full        s       s   bound        s       x    ours   guide   (ours)"
    "  max  mean  /message    /10 KB  /message      MB"
)


def format_table(rows: Sequence[Row]) -> str:
    """Return the table of all measurements, grouped by mailbox."""
    lines: list[str] = []
    previous = None
    for row in rows:
        if row["mailbox"] != previous:
            lines += ["", row["mailbox"], _HEAD]
            previous = row["mailbox"]
        lines.append(_format_row(row))
    return "\n".join(lines)


def _format_row(row: Row) -> str:
    ours, guide = row["ours"], row["guide"]
    estimated = "~" if guide["is_estimated"] else " "
    return (
        f"{row['full_ms']:>7g}{row['lean_share']:>9g}{row['bound_s']:>9.1f}{ours['wall_s']:>8.1f}"
        f"{ours['share_of_bound']:>8.2f}{estimated}{guide['wall_s']:>8.1f}"
        f"{guide['wall_s'] / ours['wall_s']:>8.1f}{_seconds(ours['newest_s'])}"
        f"{_seconds(guide['newest_s'])}{ours['newest_round_trips'] or '-':>9}"
        f"{ours['max_in_flight']:>5}{ours['mean_in_flight']:>6.1f}"
        f"{ours['cpu_ms_per_message']:>10.2f}{ours['cpu_ms_per_10_kb']:>10.2f}"
        f"{ours['postgres_cpu_ms_per_message']:>10.2f}"
        f"{ours['sync_folder_memory_mb']:>8}"
    )


def _seconds(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:>8.1f}"


def format_simulator_share(rows: Sequence[Row]) -> str:
    """Return how much of the measurements the simulated Graph itself was."""
    cpu = max(row["ours"]["simulator_cpu_share"] for row in rows)
    late = max(row["ours"]["simulator_late_share"] for row in rows)
    return (
        f"The simulated Graph used at most {cpu:.0%} of the CPU of one core, and its responses took"
        f" at most {late:.0%} longer than the latency model says."
    )


def write_plots(rows: Sequence[Row], folder: Path) -> None:
    """Write the plots of the whole sync and of the newest messages, for the smallest part of
    `--ids-only`."""
    least = min(row["lean_share"] for row in rows)
    chosen = [row for row in rows if row["lean_share"] == least]
    title = "First sync over Graph; 1 × is the bound"
    _write(folder / "first-sync-graph.svg", title, chosen, ("wall_s", "bound_s"))
    title = "Until the newest 50 messages are there; 1 × is one page of them"
    _write(folder / "newest-graph.svg", title, chosen, ("newest_s", "newest_bound_s"))


def _write(path: Path, title: str, rows: Sequence[Row], names: tuple[str, str]) -> None:
    measured, bound = names
    plotted: list[PlotRow] = []
    for row in rows:
        found = {"Mailsync": row["ours"][measured], "guide": row["guide"][measured]}
        multiples = {kind: value / row[bound] for kind, value in found.items() if value is not None}
        plotted.append((f"{row['mailbox']}, {row['full_ms']:g} ms", multiples))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dot_plot(title, plotted))
