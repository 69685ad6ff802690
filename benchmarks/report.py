"""The report: Markdown with a table of targets, one table per group of workloads, and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan, nan

from benchmarks import svg
from benchmarks.figures import (
    ERRORS,
    FIGURES,
    OTHERS_SHARE,
    Figure,
    Result,
    checked,
    disturbance,
    faults,
    ratio,
    sample,
)
from benchmarks.targets import TARGETS, US, Measured, Target, Verdict, judge
from benchmarks.workloads import Workload

NOTHING = "-"
"""In a cell for which there is no figure."""

STAGES = {"core": "First targets", "speed": "Final targets"}

METHOD = """\
Each figure is the median over the repetitions; its spread is the distance of the extremes as a
share of the median. Peers take turns within every repetition, and every measurement starts a fresh
server. The load generator (`benchmarks/load`) checks each delivery for loss, repetition, order and
damage while it measures. Where the generator has a CPU of its own it never sleeps, so that the
server is not billed for waking it, as it would not be for a client on another machine.

CPU time is user and system time of the server's processes from `/proc`, the store's included, and
that of the kernel's network threads, which send in the server's name when there is much to send.
Memory is the proportional share (`Pss`) of these processes, after less before. Latency runs from
the moment at which a message was due to be published to the moment at which the subscriber read it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """
    Where and how the measurements were made.

    Attributes:
        machine: Facts by name.
        versions: What each peer calls itself, by name.
        repetitions: Of each measurement.
        date: Day and hour, UTC.
        quick: Whether it was the short form.
        absent: Peers that were not measured, and why.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    repetitions: int
    date: str
    quick: bool = False
    absent: Mapping[str, str] | None = None


def markdown(workloads: Sequence[Workload], measured: Measured, setting: Setting) -> str:
    """Write the whole report; its plots are those of `plots`."""
    parts = [
        "# Measurements",
        _introduction(setting),
        *_targets(workloads, measured),
        *_groups(workloads, measured),
        _soundness(measured),
        "## How it is measured",
        METHOD.strip(),
    ]
    return "\n\n".join(parts) + "\n"


def plots(workloads: Sequence[Workload], measured: Measured) -> dict[str, str]:
    """Return the report's plots as SVG texts, by file name."""
    drawn = {}
    for group, members in groupby(workloads, key=lambda workload: workload.group):
        shown = [workload for workload in members if measured.get(workload.name)]
        if shown:
            drawn[_file(group)] = _plot(group, shown, measured)
    return drawn


def number(value: float, unit: str) -> str:
    """Write a figure with its unit: three digits that matter, thousands separated."""
    if isnan(value):
        return NOTHING
    if abs(value) >= 1000:
        text = f"{value:,.0f}"
    elif abs(value) >= 100:
        text = f"{value:.0f}"
    elif abs(value) >= 10:
        text = f"{value:.1f}"
    else:
        text = f"{value:.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:.3f}"
    return f"{text}{unit}" if unit.startswith("/") else f"{text} {unit}".rstrip()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table, all columns but the first to the right."""
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def _introduction(setting: Setting) -> str:
    facts = [("measured", setting.date), *setting.machine.items()]
    facts += [(name, version) for name, version in setting.versions.items()]
    facts.append(("repetitions", str(setting.repetitions)))
    facts += [(f"{name} (not measured)", why) for name, why in (setting.absent or {}).items()]
    text = table(("", ""), [(name, value) for name, value in facts])
    if setting.quick:
        text = (
            "A short form (`--quick`): few workloads, short runs, for a first impression.\n\n"
            + text
        )
    return text


def _targets(workloads: Sequence[Workload], measured: Measured) -> list[str]:
    titles = {workload.name: workload.title for workload in workloads}
    parts = []
    for stage, heading in STAGES.items():
        rows = [
            _target_row(target, titles[target.workload], judge(target, measured))
            for target in TARGETS
            if target.stage == stage and target.workload in titles
        ]
        if rows:
            header = ("Workload", "Figure", "Target", "Broker", "Against", "Ratio", "Met")
            parts += [f"## {heading}", table(header, rows)]
    return parts


def _target_row(target: Target, title: str, verdict: Verdict | None) -> tuple[str, ...]:
    figure = FIGURES[target.figure]
    sign = "≥" if figure.more_is_better else "≤"
    against = target.peer or target.base
    if against:
        wanted = f"{sign} {target.limit:g} x {against}"
    else:
        wanted = f"{sign} {number(target.limit, figure.unit)}"
    if verdict is None:
        return title, figure.title, wanted, NOTHING, NOTHING, NOTHING, "not measured"
    unit = NOTHING if verdict.unit is None else number(verdict.unit, figure.unit)
    share = verdict.measure if verdict.unit is not None else verdict.value / target.limit
    return (
        title,
        figure.title,
        wanted,
        number(verdict.value, figure.unit),
        unit,
        f"{share:.2f}",
        "yes" if verdict.met else "**no**",
    )


def _groups(workloads: Sequence[Workload], measured: Measured) -> list[str]:
    parts = []
    for group, members in groupby(workloads, key=lambda workload: workload.group):
        shown = [workload for workload in members if measured.get(workload.name)]
        if not shown:
            continue
        parts += [f"## {group}", f"![{group}]({_file(group)})"]
        for workload in shown:
            parts += [f"**{workload.title}** (`{workload.name}`)"]
            parts += [_workload_table(workload, measured[workload.name])]
    return parts


def _workload_table(workload: Workload, by_peer: Mapping[str, Sequence[Result]]) -> str:
    others = [name for name in by_peer if name != US]
    header = ["", *([US] if US in by_peer else [])]
    for name in others:
        header += [name, f"ratio to {name}"] if US in by_peer else [name]
    rows = [_figure_row(FIGURES[name], by_peer, others) for name in workload.figures]
    return table(header, rows)


def _figure_row(
    figure: Figure, by_peer: Mapping[str, Sequence[Result]], others: Sequence[str]
) -> list[str]:
    row = [figure.title]
    if US in by_peer:
        row.append(_cell(figure, by_peer[US]))
    for name in others:
        row.append(_cell(figure, by_peer[name]))
        if US in by_peer:
            share = ratio(figure.name, by_peer[US], by_peer[name])
            row.append(NOTHING if share is None else f"{share:.2f}")
    return row


def _cell(figure: Figure, results: Sequence[Result]) -> str:
    taken = sample(figure.name, results)
    text = number(taken.middle, figure.unit)
    return f"{text} ±{taken.spread / 2:.0%}" if len(taken.values) > 1 else text


def _soundness(measured: Measured) -> str:
    results = [one for peers in measured.values() for many in peers.values() for one in many]
    ours = [one for peers in measured.values() for one in peers.get(US, ())]
    disturbed = sum(disturbance(result) >= OTHERS_SHARE for result in results)
    counts = {
        error: sum(one[who][error] for one in ours for who in ("subscribers", "stormers"))
        for error in ERRORS
    }
    told = ", ".join(f"{count:,} {error}" for error, count in counts.items())
    summary = (
        f"{checked(ours):,} deliveries of the broker checked: {told}. "
        f"{disturbed} of {len(results)} measurements shared the machine with another program "
        f"that took more than {OTHERS_SHARE:.0%} of a CPU."
    )
    wrong = [
        f"- {workload}, {peer}: {'; '.join(faults(result))}"
        for workload, peers in measured.items()
        for peer, many in peers.items()
        for result in many
        if faults(result)
    ]
    return "\n\n".join(("## Soundness", summary, *(["\n".join(wrong)] if wrong else [])))


def _file(group: str) -> str:
    kept = "".join(letter if letter.isalnum() else "-" for letter in group.lower())
    return "-".join(part for part in kept.split("-") if part) + ".svg"


def _plot(group: str, shown: Sequence[Workload], measured: Measured) -> str:
    """Draw the first figure that all workloads of the group have, over all peers."""
    name = next(
        (name for name in shown[0].figures if all(name in other.figures for other in shown)),
        shown[0].figures[0],
    )
    having = [workload for workload in shown if name in workload.figures]
    peers = list(dict.fromkeys(peer for workload in having for peer in measured[workload.name]))
    figure = FIGURES[name]
    title = f"{group}: {figure.title}"
    if all(workload.growth for workload in having):
        across = group.rpartition(" ")[2]
        return svg.lines(title, figure.unit, across, _grown(name, having, peers, measured))
    series = {
        peer: [_middle(name, measured[workload.name].get(peer)) for workload in having]
        for peer in peers
    }
    return svg.bars(title, figure.unit, [_category(workload) for workload in having], series)


def _middle(name: str, results: Sequence[Result] | None) -> float | None:
    middle = sample(name, results).middle if results else nan
    return None if isnan(middle) else middle


def _grown(
    name: str, having: Sequence[Workload], peers: Sequence[str], measured: Measured
) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for peer in peers:
        middles = [(each, _middle(name, measured[each.name].get(peer))) for each in having]
        lines[peer] = [(float(each.growth or 0), y) for each, y in middles if y is not None]
    return lines


def _category(workload: Workload) -> str:
    """What tells a workload from the others of its group."""
    return workload.name.partition("-")[2].replace("-", " ") or workload.name
