"""The report on a campaign, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.chaos.outcome import Outcome
from tests.chaos.stand import DRAIN_S, Setup

_COLUMNS = (
    "Fault",
    "Published",
    "a second",
    "Delivered",
    "Lost",
    "Repeated",
    "Reordered",
    "Unsignalled gaps",
    "Longest stall, s",
    "Heal p50, s",
    "p99, s",
    "Streams ended",
)

_WORDS = """\
- **Checked by the publishers' own counts.** Each message tells its number in its channel and its
  number among all that its publisher sent; both have no holes. Publishers send one batch after the
  other, each with an `Idempotency-Key`, and try it again on another node until it is accepted. The
  broker's `id` plays no part.
- **Lost**: accepted, never received, and no gap notice covers it. Everybody was attached before the
  first message, and had 20 s behind the last one.
- **Repeated**: received twice. **Reordered**: received behind a later one of its channel, or with a
  cursor before one that the client had already.
- **Unsignalled gaps**: times that a message came without the ones before it, which never came, and
  no notice had said so. A notice without anything missing counts as wrong too.
- **Late**: an announcement that is dropped on its way to a node shows when the next one of its
  channel names it as predecessor, or by the audit. Other channels of the same subscriber may be
  ahead by then, so the message comes out of turn among *different* channels, with the session's own
  cursor, and not before the cursor that it was accepted at. In its channel it is in order. This is
  allowed where announcements are dropped, and nowhere else.
- **Stall**: the longest time that any subscriber went without a message, while its channels had
  some every 100 ms; the fault itself is part of it. **Heal**: from the end of the fault (for a
  killed node: the kill) until a subscriber got something that was first sent since. Short polls ask
  every 0.5 s, so half a second is their best.
- **Streams ended**: WebSockets, event streams and streams that a node closed. Faults of the store
  must end none (P7).
"""


def markdown(
    outcomes: Sequence[Outcome],
    not_run: Mapping[str, str],
    setup: Setup,
    facts: Mapping[str, str],
) -> str:
    """
    Return the report.

    Args:
        outcomes: What the scenarios showed.
        not_run: Scenarios without an outcome, and why.
        setup: How big the stand was.
        facts: What else matters: machine, versions, date.
    """
    crowd = ", ".join(f"{count} by {name}" for name, count in setup.crowd.items())
    lines = [
        "# What breaks, and what subscribers notice",
        "",
        (
            f"{setup.subscribers} subscribers ({crowd}), each with its own list of one to four of"
            f" {setup.channels} busy channels, one in five with one of {setup.quiet} quiet ones;"
            f" {setup.publishers} publishers, {setup.rate:g} messages a second in NDJSON batches;"
            f" {setup.nodes} nodes over one store. Nodes drain over {DRAIN_S:g} s, and ask clients"
            " to come back within a second. All on the loopback interface of one machine."
        ),
        "",
        _table(_COLUMNS, [_row(outcome) for outcome in outcomes]),
        "",
        *_remarks(outcomes),
        *(f"- Not run: {title}: {why}." for title, why in not_run.items()),
        "",
        "## What is wrong",
        "",
        *(_wrong(outcomes) or ["Nothing."]),
        "",
        "## How to read it",
        "",
        _WORDS,
        "## Where it was measured",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
    ]
    return "\n".join(lines)


def line(outcome: Outcome) -> str:
    """Return one scenario on one line."""
    state = "; ".join(outcome.wrong) or "all well"
    return (
        f"{outcome.name:18} {outcome.seconds:5.1f} s  {outcome.verdict.messages:8} delivered  "
        f"stall {outcome.longest_stall_s:5.2f} s  heal {outcome.heal_s[0]:.2f} / "
        f"{outcome.heal_s[1]:.2f} s  {state}"
    )


def _row(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    return [
        outcome.title,
        f"{outcome.published:,}",
        f"{outcome.rate:,.0f}",
        f"{verdict.messages:,}",
        str(verdict.lost),
        str(verdict.repeated),
        str(verdict.reordered),
        str(verdict.unsignalled),
        f"{outcome.longest_stall_s:.2f}",
        f"{outcome.heal_s[0]:.2f}",
        f"{outcome.heal_s[1]:.2f}",
        str(outcome.streams_lost),
    ]


def _remarks(outcomes: Sequence[Outcome]) -> list[str]:
    remarks = []
    for outcome in outcomes:
        verdict, told = outcome.verdict, []
        if verdict.late:
            dropped = outcome.details["announcements dropped"]
            told.append(
                f"{dropped} announcements dropped, {verdict.late} messages late, by at most "
                f"{outcome.late_max_s:.2f} s"
            )
        if verdict.told:
            told.append(f"{verdict.told} messages gone with the store, each told as a gap")
        if verdict.needless:
            told.append(f"{verdict.needless} notices of gaps in which nothing was missing")
        if outcome.drain_peak is not None:
            told.append(
                f"streams came back at {outcome.drain_peak:.2f} times the paced rate at most"
            )
        if told:
            remarks.append(f"- {outcome.title}: {'; '.join(told)}.")
    return remarks


def _wrong(outcomes: Sequence[Outcome]) -> list[str]:
    return [f"- {outcome.title}: {what}" for outcome in outcomes for what in outcome.wrong]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    ruler = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ruler, *rows])
