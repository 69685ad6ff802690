"""The dashboard and the alert rules speak of metrics that there are, in words Prometheus knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
import json
import re
import shutil
import subprocess

import pytest
import yaml

from broker.metrics import METRICS, Kind
from tests.support.markdown import ROOT, anchors

RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
RULES_TEST = RULES.with_name("alerts_test.yaml")
CONFIG = RULES.with_name("prometheus.yaml")
DASHBOARD = ROOT / "deploy" / "grafana" / "broker.json"
PAGE = ROOT / "docs" / "production" / "alerts.md"

PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")

METRIC = re.compile(r"\bbroker_[a-z_]+")
WIDTH = 24
"""Columns of a dashboard."""


def rules() -> list[dict[str, Any]]:
    """Return every alert."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    document: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return document


def panels() -> list[dict[str, Any]]:
    """Return the panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """Yield every query of the dashboard, as Prometheus gets it."""
    for panel in panels():
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def series() -> Mapping[str, frozenset[str]]:
    """Return the names that `/metrics` tells, each with its labels."""
    told: dict[str, frozenset[str]] = {}
    for metric in METRICS.values():
        labels = frozenset((*metric.shown_labels, "instance", "job"))
        if metric.kind is Kind.HISTOGRAM:
            told[f"{metric.name}_bucket"] = labels | {"le"}
            told[f"{metric.name}_sum"] = told[f"{metric.name}_count"] = labels
        else:
            told[metric.name] = labels
    return told


def labels_of(expression: str) -> set[str]:
    """Return the labels that an expression groups or selects by."""
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    selected = re.findall(r"[{,]\s*([a-z_]+)=", expression)
    return {name.strip() for names in grouped for name in names.split(",")} | set(selected)


def promtool(*words: str, cwd: Path) -> None:
    """Run `promtool`; fail with what it said."""
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("expression", [*expressions(), *(rule["expr"] for rule in rules())])
def test_queries_name_metrics_and_labels_that_there_are(expression: str) -> None:
    """Each metric of a query is one of ours, and has the labels that it is asked for."""
    known = series()
    names = METRIC.findall(expression) or ["up"]
    assert [] == [name for name in names if name != "up" and name not in known]
    labels = set().union({"job"}, *(known.get(name, frozenset()) for name in names))
    assert set() == labels_of(expression) - labels


def test_the_dashboard_shows_every_metric() -> None:
    """Nothing is counted that nobody sees."""
    shown = {name for expression in expressions() for name in METRIC.findall(expression)}
    bare = {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown}
    assert set() == set(METRICS) - bare - shown


def test_panels_stand_beside_each_other() -> None:
    """Every panel has its own number and its own place, and queries with their own letters."""
    everything = dashboard()["panels"]
    assert len(everything) == len({panel["id"] for panel in everything})
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
    for panel in panels():
        letters = [target["refId"] for target in panel["targets"]]
        assert sorted(set(letters)) == letters


@needs_promtool
def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """Each query is an expression, as recording rules are."""
    record = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(expressions())
    ]
    document = {"groups": [{"name": "dashboard", "rules": record}]}
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    promtool("check", "rules", "queries.yaml", cwd=tmp_path)


@needs_promtool
def test_prometheus_takes_the_configuration() -> None:
    """The scrape configuration and the rules that it loads are valid."""
    promtool("check", "config", CONFIG.name, cwd=RULES.parent)


@needs_promtool
def test_each_alert_is_fired_for_the_ill_node_alone() -> None:
    """`promtool test rules` plays figures of an ill and of a well node to each alert."""
    promtool("test", "rules", RULES_TEST.name, cwd=RULES.parent)


def test_each_alert_is_played() -> None:
    """No alert is without a case in which it fires."""
    document = yaml.safe_load(RULES_TEST.read_text(encoding="utf-8"))
    fired = {
        test["alertname"]
        for case in document["tests"]
        for test in case["alert_rule_test"]
        if test["exp_alerts"]
    }
    assert {rule["alert"] for rule in rules()} == fired


def test_each_alert_is_explained() -> None:
    """The page of alerts has a heading for each, and each says what it is and how bad."""
    for rule in rules():
        assert {"summary", "description"} == set(rule["annotations"])
        assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set() == {rule["alert"].lower() for rule in rules()} - anchors(PAGE)
