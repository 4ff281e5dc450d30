"""Alerts, dashboard and example for Prometheus: each rests on what is really told, and each alert fires when it should."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from collector.metrics import Meter
from scripts.setup import find_program
from tests.webstat.metrics.output import read, text_of
from tests.webstat.served import served, settings_for
from tests.webstat.stores import WORLD, Builder
from tests.webstat.test_serving import get

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/webstat.rules.yml"
STORIES = ROOT / "tests/deploy/prometheus/alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/webstat.json").read_text())
ALERTS = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
PROMETHEUS_OWN = {"up"}
METRIC = re.compile(r"\b(?:webstat|process|python)_[a-z0-9_]+\b|\bup\b")


def used_in(expression: str) -> set[str]:
    """The metrics that an expression names; what stands in quotes is no metric."""
    return set(METRIC.findall(re.sub(r'"[^"]*"', "", expression)))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, frozenset[str]]]:
    """(name, its labels) of everything that a page and a collector really tell."""
    builder = Builder(tmp_path_factory.mktemp("monitoring") / "store.sqlite")
    for shape in WORLD:
        builder.add(shape)
    with served(settings_for(builder.url)) as server:
        get(server.url + "/clusters.txt")
        samples = read(text_of(server))
    builder.close()
    meter = Meter(lambda: 1)
    meter.polled("one", "new", 0.1)
    meter.refreshed(True)
    samples |= read(generate_latest(meter.registry).decode())
    return {(name, frozenset(label for label, _ in labels)) for name, labels in samples}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = find_program("promtool")
    if found is None:
        pytest.skip("no promtool found: apt-get install prometheus to have its checks")
    return found


def run(*words: str | Path) -> str:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alerts_rest_on_what_is_told(told: set[tuple[str, frozenset[str]]]) -> None:
    names = {name for name, _ in told} | PROMETHEUS_OWN
    assert len(ALERTS) >= 10
    for alert in ALERTS:
        used = used_in(alert["expr"])
        assert used, alert["alert"]
        assert used <= names, alert["alert"]
        assert alert["annotations"]["summary"] and alert["annotations"]["action"], alert["alert"]


def test_panels_rest_on_what_is_told(told: set[tuple[str, frozenset[str]]]) -> None:
    names = {name for name, _ in told}
    assert len(DASHBOARD["panels"]) > 15
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            used = used_in(target["expr"])
            assert used and used <= names, panel["title"]
            labels = {"job", "instance"}.union(*(labels for name, labels in told if name in used))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels, panel["title"]
            asked = {word for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for word in group.split(", ")}
            assert asked <= labels, panel["title"]


def test_the_dashboard_asks_which_prometheus_it_is() -> None:
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    sources: list[Any] = [variables["cluster"]["datasource"]]
    for panel in DASHBOARD["panels"]:
        sources += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert {json.dumps(source) for source in sources} == {'{"type": "prometheus", "uid": "${datasource}"}'}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]


def test_no_panel_lies_on_another() -> None:
    places = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in DASHBOARD["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))


def test_each_alert_has_a_story_in_which_it_fires() -> None:
    stories = [one for test in yaml.safe_load(STORIES.read_text())["tests"] for one in test["alert_rule_test"]]
    assert {one["alertname"] for one in stories if one["exp_alerts"]} == {alert["alert"] for alert in ALERTS}


def test_alerts_fire_when_they_should(promtool: str) -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in run(promtool, "check", "rules", RULES)
    assert "SUCCESS" in run(promtool, "test", "rules", STORIES)


def test_the_example_is_read_by_prometheus(promtool: str) -> None:
    assert "SUCCESS" in run(promtool, "check", "config", ROOT / "deploy/prometheus/scrape.example.yml")


def test_the_table_of_metrics_is_that_of_what_is_told(told: set[tuple[str, frozenset[str]]]) -> None:
    docs = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(webstat_[a-z0-9_]+)` \| ([^|]*) \|", docs, re.MULTILINE)
    written = {name: frozenset(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    own = {(name, labels) for name, labels in told if name.startswith("webstat_")}
    assert written == {re.sub("_(bucket|sum|count)$", "", name): labels - {"le"} for name, labels in own}
    assert [alert["alert"] for alert in ALERTS if f"`{alert['alert']}`" not in docs] == []
