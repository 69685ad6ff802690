"""Compose, Kubernetes and systemd: valid by their schemas, and true of the broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any
import gzip
import json
import os
import re
import shlex
import shutil
import subprocess

from jsonschema_rs import validator_for
import pytest
import yaml

from broker.api.endpoints import endpoints
from broker.catalog import Catalog
from broker.metrics import METRICS
from broker.settings import SETTINGS
from tests.support.markdown import ROOT

DEPLOY = ROOT / "deploy"
SCHEMAS = ROOT / "tests" / "support" / "schemas"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))

VARIABLE = re.compile(r"\bBROKER_[A-Z_]+\b")
WORKERS_STOP_S = 10
"""What workers get behind `drain_s`: `broker/cli/serve.py`."""


def schema(name: str) -> dict[str, Any]:
    """Return one of the packed schemas."""
    packed: dict[str, Any] = json.loads(gzip.decompress((SCHEMAS / f"{name}.json.gz").read_bytes()))
    return packed


def complaints(rules: dict[str, Any], document: object) -> list[str]:
    """Return what is wrong with a document."""
    return [
        f"{each.instance_path}: {each.message}"
        for each in validator_for(rules).iter_errors(document)
    ]


def manifests() -> list[dict[str, Any]]:
    """Return every Kubernetes object that stands in a file."""
    documents = [
        document
        for path in KUBERNETES
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    return [document for document in documents if "kind" in document]


def manifest(kind: str) -> dict[str, Any]:
    """Return the first object of a kind."""
    return next(each for each in manifests() if each["kind"] == kind)


def compose() -> dict[str, Any]:
    """Return the compose file."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    return document


def unit() -> dict[str, list[str]]:
    """Return the settings of the service, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / "broker.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def seconds(text: str) -> float:
    """Return a time such as `30s` in seconds."""
    return float(text.removesuffix("s"))


# --- what all of them say --------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(DEPLOY.rglob("*"))
        if path.is_file() and path.suffix not in {".json", ".pyc"}
    ],
    ids=lambda path: str(path.relative_to(DEPLOY)),
)
def test_variables_are_settings(path: Path) -> None:
    """Each `BROKER_…` that is named is a setting."""
    named = set(VARIABLE.findall(path.read_text(encoding="utf-8")))
    assert set() == named - {setting.env for setting in SETTINGS.values()}


# --- compose ---------------------------------------------------------------------------------


def test_compose_keeps_to_its_specification() -> None:
    """The file is one that `docker compose` takes."""
    assert [] == complaints(schema("compose-spec"), compose())


def test_compose_mounts_and_builds_what_there_is() -> None:
    """Two brokers that are the same, and no file that is missing."""
    services = compose()["services"]
    assert services["broker-1"] == services["broker-2"]
    folder = DEPLOY / "compose"
    build = services["broker-1"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).is_file()
    volumes = [volume for each in services.values() for volume in each.get("volumes", ())]
    sources = [volume.split(":")[0] for volume in volumes if volume.startswith(".")]
    assert 3 <= len(sources)
    assert all((folder / source).is_file() for source in sources)
    asked = set(re.findall(r"\$\{(\w+)", json.dumps(compose())))
    assert asked == set(VARIABLE.findall((folder / "example.env").read_text()))


def test_compose_waits_for_the_drain() -> None:
    """A container is not killed while it sends its subscribers away."""
    default = SETTINGS["drain_s"].default
    assert isinstance(default, float)
    grace = seconds(compose()["services"]["broker-1"]["stop_grace_period"])
    assert default + WORKERS_STOP_S <= grace


def test_nginx_takes_the_file_of_compose(tmp_path: Path) -> None:
    """`nginx -t` finds nothing, with this machine in the place of the two brokers."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    shutil.copy(DEPLOY / "nginx" / "broker-proxy.conf", tmp_path)
    text = (DEPLOY / "compose" / "nginx.conf").read_text()
    text = re.sub(r"\bbroker-[12]\b", "127.0.0.1", text)
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\n{text}")
    command = [nginx, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert 0 == done.returncode, done.stderr


# --- Kubernetes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [each for each in manifests() if each["kind"] != "Kustomization"],
    ids=lambda each: f"{each['kind']}-{each['metadata']['name']}",
)
def test_manifests_keep_to_their_schemas(document: dict[str, Any]) -> None:
    """Each object is one that Kubernetes takes, with no member that it does not know."""
    packed = schema("kubernetes-1.37")
    name = packed["kinds"][document["kind"]]
    rules = {"$ref": f"#/definitions/{name}", "definitions": packed["definitions"]}
    assert [] == complaints(rules, document)


def test_the_kustomization_names_every_manifest() -> None:
    """No file is forgotten, and the rules are ones that the broker takes."""
    folder = DEPLOY / "kubernetes"
    kustomization = manifest("Kustomization")
    [generator] = kustomization["configMapGenerator"]
    named = {"kustomization.yaml", *kustomization["resources"], *generator["files"]}
    assert {path.name for path in KUBERNETES} == named
    assert Catalog.load(folder / "channels.yaml").entries


def test_kustomize_takes_it() -> None:
    """`kubectl kustomize` makes one document of all of them."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    made = subprocess.run(
        ["kubectl", "kustomize", str(DEPLOY / "kubernetes")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    kinds = {document["kind"] for document in yaml.safe_load_all(made.stdout)}
    assert {each["kind"] for each in manifests()} - {"Kustomization"} | {"ConfigMap"} == kinds


def test_pods_get_time_to_drain() -> None:
    """The grace period is what is waited, drained, and left to workers."""
    spec = manifest("Deployment")["spec"]["template"]["spec"]
    [container] = spec["containers"]
    environ = {each["name"]: each["value"] for each in container["env"]}
    pause = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = seconds(environ["BROKER_DRAIN_S"])
    assert pause + drain + WORKERS_STOP_S <= spec["terminationGracePeriodSeconds"]


def test_probes_ask_for_what_there_is() -> None:
    """Probes name ports of the container, and paths of the internal listener."""
    [container] = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    source = Path(str(endpoints.__code__.co_filename)).read_text(encoding="utf-8")
    ports = {port["name"] for port in container["ports"]}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container[name]["httpGet"]
        assert f'"{probe["path"]}"' in source
        assert probe["port"] in ports
    for service in (each for each in manifests() if each["kind"] == "Service"):
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
        assert "sessionAffinity" not in service["spec"]


def test_pods_are_scaled_by_a_metric_that_there_is() -> None:
    """The autoscaler asks for connections."""
    metrics = manifest("HorizontalPodAutoscaler")["spec"]["metrics"]
    named = {each["pods"]["metric"]["name"] for each in metrics if each["type"] == "Pods"}
    assert {"broker_connections"} == named & METRICS.keys()


# --- systemd ---------------------------------------------------------------------------------


def test_the_service_waits_for_the_drain() -> None:
    """A stop is not cut short while subscribers are sent away, and lets files be opened."""
    told = unit()
    default = SETTINGS["drain_s"].default
    assert isinstance(default, float)
    assert default + WORKERS_STOP_S <= seconds(told["TimeoutStopSec"][0])
    most = SETTINGS["max_connections"].default
    assert isinstance(most, int)
    assert most < int(told["LimitNOFILE"][0])
    assert ["serve"] == shlex.split(told["ExecStart"][0])[1:]


def test_systemd_takes_the_service(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing, and little is exposed."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "systemd" / "broker.service").read_text()
    path = tmp_path / "broker.service"
    path.write_text(text.replace("/opt/broker/bin/broker", "/bin/true"))
    checked = subprocess.run(
        [analyze, "verify", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (0, "") == (checked.returncode, checked.stderr)
    rated = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert 0 == rated.returncode, rated.stdout[-300:]
