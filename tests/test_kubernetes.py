"""The Kubernetes files: valid by Kubernetes' and KEDA's schemas, every command, setting, secret and pool ours, no rights."""

import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import typer
from typer.core import TyperGroup

from config.settings import PREFIX, SECRET_PREFIX, Settings, load_settings
from tests.kubernetes_files import FOLDER, KEDA_SCHEMA, KUSTOMIZATION, Manifest, manifests
from workers.cli.main import app
from workers.pools import STOP_WAIT_S

ALL = manifests()
WORKING = [one for one in ALL if one.kind in ("Deployment", "Job")]
SETTINGS: dict[str, str] = next(one.body["data"] for one in ALL if one.name == "millrace-settings")
ROOT = Path(__file__).parents[1]

named = pytest.mark.parametrize("one", WORKING, ids=lambda one: one.name)


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.kind}/{one.name}")
def test_every_object_is_valid_by_its_schema(one: Manifest) -> None:
    if one.kind == "ScaledObject":
        jsonschema.validate(one.body, KEDA_SCHEMA)
    else:
        kubernetes_validate.validate(one.body, "1.34", strict=True)


def test_every_file_of_the_folder_is_listed() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"kustomization.yaml"}

    assert files == set(KUSTOMIZATION["resources"]) | set(KUSTOMIZATION["configMapGenerator"][0]["files"])
    assert (FOLDER / "fleet.toml").read_text() == (ROOT / "config/fleet.toml").read_text()


@named
def test_every_command_is_one_of_ours_with_options_it_has(one: Manifest) -> None:
    for container in one.containers:
        command, rest = typer.main.get_command(app), list(container["args"])
        context = typer.Context(command)
        while isinstance(command, TyperGroup) and not rest[0].startswith("-"):
            found = command.get_command(context, rest[0])
            assert found is not None, rest
            command, rest = found, rest[1:]
        command.make_context(one.name, rest)


@named
def test_every_variable_is_a_setting_and_every_file_of_it_is_mounted(one: Manifest) -> None:
    secrets = next(volume["secret"] for volume in one.pod["volumes"] if volume["name"] == "secrets")
    mounted = {f"/run/secrets/{item['path']}" for item in secrets["items"]}
    for container in one.containers:
        shared = SETTINGS if container.get("envFrom") == [{"configMapRef": {"name": "millrace-settings"}}] else {}
        own = {told["name"]: told["value"] for told in container.get("env", [])}
        for variable, value in (shared | own).items():
            key = variable.removeprefix(PREFIX).lower()
            known = key in Settings.model_fields or key.removesuffix("_file") in Settings.model_fields
            assert variable.startswith(SECRET_PREFIX) or known, variable
            if variable.endswith("_FILE") and key not in Settings.model_fields:
                assert value in mounted, f"{one.name}: {variable}"
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp", "/etc/millrace", "/run/secrets"}


def test_the_secrets_are_those_that_are_made(tmp_path: Path) -> None:
    subprocess.run([ROOT / "deploy/make-secrets", tmp_path / "secrets"], check=True, capture_output=True)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}

    for one in WORKING:
        secrets = next(volume["secret"] for volume in one.pod["volumes"] if volume["name"] == "secrets")
        assert {item["key"] for item in secrets["items"]} <= made, one.name


@named
def test_no_pod_has_rights_it_does_not_need(one: Manifest) -> None:
    pod = one.pod

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in one.containers:
        rights = container["securityContext"]
        assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert container["image"] == KUSTOMIZATION["images"][0]["name"]


@named
def test_whatever_runs_on_is_watched_and_has_time_to_end(one: Manifest) -> None:
    if one.kind == "Job":
        return
    [container] = one.containers
    ports = {port["name"] for port in container["ports"]}

    assert {"startupProbe", "livenessProbe"} <= set(container)
    assert container["livenessProbe"]["httpGet"]["port"] in ports
    if one.name.startswith("worker-"):
        assert one.pod["terminationGracePeriodSeconds"] > STOP_WAIT_S


def test_every_pool_has_its_workers_and_is_scaled_by_its_own_signal() -> None:
    pools = set(load_settings({}).fleet.pools)
    scaled = {one.body["spec"]["scaleTargetRef"]["name"]: one.body["spec"] for one in ALL if one.kind == "ScaledObject"}
    workers = {one.name: one.containers[0]["args"][1] for one in WORKING if one.name.startswith("worker-")}

    assert set(workers.values()) == pools
    assert set(scaled) == set(workers)
    for name, spec in scaled.items():
        assert spec["triggers"][0]["metadata"]["valueLocation"] == f"pools.{workers[name]}.workers"
        assert spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]


def test_services_and_disruption_budgets_select_what_is_there() -> None:
    label = "app.kubernetes.io/component"
    there = {one.body["spec"]["template"]["metadata"]["labels"][label] for one in WORKING}

    for one in ALL:
        if one.kind == "Service":
            assert one.body["spec"]["selector"][label] in there
        if one.kind == "PodDisruptionBudget":
            assert one.body["spec"]["selector"]["matchLabels"][label] in there
    assert {one.name for one in ALL if one.kind == "PodDisruptionBudget"} >= {"receiver", "worker-prepare", "worker-deliver"}


def test_nothing_is_reached_that_is_not_named() -> None:
    policies = {one.name: one.body["spec"] for one in ALL if one.kind == "NetworkPolicy"}

    assert policies["closed"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    out = {
        name
        for name, spec in policies.items()
        if any({"port": 443, "protocol": "TCP"} in rule["ports"] for rule in spec.get("egress", []))
    }
    assert out == {"targets", "notices"}
    assert policies["notices"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "relay"}
    assert policies["targets"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "worker-deliver"}
