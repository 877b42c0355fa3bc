"""deploy/kubernetes is what Kubernetes takes, and true to the services: names, ports, paths, times."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from redis.asyncio import Redis

import auth_server.app
import mcp_server.app
from auth_server.settings import AuthSettings
from mcp_server.settings import McpSettings
from shared.settings import KNOWN_NAMES
from shared.web.health import health_router
from shared.web.serve import ANSWER_SECONDS, FINISH_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
VARIANTS = ("one-origin", "two-origins", "redis")
VERSIONS = ("1.31", "1.37")
SERVICES = {"auth": AuthSettings, "mcp": McpSettings}

Manifest = Mapping[str, Any]


@cache
def load(folder: Path) -> tuple[Manifest, ...]:
    """Return what a kustomization and those it names consist of, as it stands."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    found: list[Manifest] = []
    for name in kustomization["resources"]:
        path = (folder / name).resolve()
        found += load(path) if path.is_dir() else yaml.safe_load_all(path.read_text("utf-8"))
    return tuple(found)


def kustomizations() -> Iterator[tuple[str, Manifest]]:
    for name in ("one-origin", "two-origins"):
        yield name, yaml.safe_load((FOLDER / name / "kustomization.yaml").read_text("utf-8"))


def of_kind(kind: str, *variants: str) -> list[Manifest]:
    """Return all resources of a kind, each once."""
    found = {
        id(one): one for name in variants or VARIANTS for one in load(FOLDER / name) if one["kind"] == kind
    }
    return list(found.values())


def pods() -> list[tuple[str, Manifest]]:
    """Return the pod template of everything that runs."""
    running = [*of_kind("Deployment"), *of_kind("StatefulSet")]
    return [(one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in running]


def deployments() -> Iterator[tuple[str, Manifest, Manifest]]:
    """Yield service, pod and container of each of ours."""
    for name in SERVICES:
        (pod,) = [pod for owner, pod in pods() if owner == f"val-town-{name}"]
        (container,) = pod["containers"]
        yield name, pod, container


def variables(container: Manifest) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_resource_is_one_that_kubernetes_knows(variant: str, version: str) -> None:
    for resource in load(FOLDER / variant):
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_check_notices_a_wrong_field() -> None:
    (service, *_) = of_kind("Service")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**service, "spek": {}}, VERSIONS[-1], strict=True)


def test_every_file_is_listed() -> None:
    listed = {
        (path.parent / name).resolve()
        for path in FOLDER.rglob("kustomization.yaml")
        for name in yaml.safe_load(path.read_text("utf-8"))["resources"]
    }
    files = {path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert {path.relative_to(FOLDER).as_posix() for path in files - listed} == {"secret.example.yaml"}


def test_every_setting_that_is_set_exists() -> None:
    named = {name for _, _, container in deployments() for name in variables(container)}
    for _, kustomization in kustomizations():
        (settings,) = kustomization["configMapGenerator"]
        named |= {literal.partition("=")[0] for literal in settings["literals"]}
    secret = yaml.safe_load((FOLDER / "secret.example.yaml").read_text("utf-8"))
    assert named | set(secret["stringData"]) <= KNOWN_NAMES
    assert {"OAUTH_ISSUER_URL", "MCP_RESOURCE_URL", "DRAIN_SECONDS"} <= named


@pytest.mark.parametrize(("name", "kustomization"), list(kustomizations()))
def test_the_services_start_with_these_settings(name: str, kustomization: Manifest, tmp_path: Path) -> None:
    literals = dict(one.split("=", 1) for one in kustomization["configMapGenerator"][0]["literals"])
    (tmp_path / "OAUTH_ENCRYPTION_KEY").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "utf-8")
    for service, _, container in deployments():
        environ = {**literals, **variables(container), "SECRETS_DIR": str(tmp_path)}
        settings = SERVICES[service].load(env_file=None, environ=environ)
        assert settings.oauth_issuer_url.startswith("https://")
    hosts = {rule["host"] for one in of_kind("Ingress", name) for rule in one["spec"]["rules"]}
    assert {literals[key].split("/")[2] for key in ("OAUTH_ISSUER_URL", "MCP_RESOURCE_URL")} == hosts


def test_ports_are_those_the_services_listen_on() -> None:
    for name, _, container in deployments():
        default = SERVICES[name].model_fields[f"{name}_port"].default
        (port,) = container["ports"]
        assert port == {"name": "http", "containerPort": default}
        assert f"EXPOSE {default}" in (ROOT / f"{name}_server" / "Dockerfile").read_text("utf-8")
        (service,) = [one for one in of_kind("Service") if one["metadata"]["name"] == f"val-town-{name}"]
        assert service["spec"]["ports"] == [{"name": "http", "port": default, "targetPort": "http"}]


def test_probes_ask_for_what_there_is() -> None:
    paths = {getattr(route, "path", None) for route in health_router({}).routes}
    for _, _, container in deployments():
        asked = {
            probe: container[probe]["httpGet"]["path"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
        assert set(asked.values()) <= paths
        assert all(container[probe]["httpGet"]["port"] == "http" for probe in asked)


def test_a_pod_has_the_time_that_draining_takes_and_load_balancers_have_theirs() -> None:
    for _, pod, container in deployments():
        drain = int(variables(container)["DRAIN_SECONDS"])
        readiness = container["readinessProbe"]
        notices = readiness["failureThreshold"] * (readiness["periodSeconds"] + readiness["timeoutSeconds"])
        assert notices < drain
        assert drain + FINISH_SECONDS + ANSWER_SECONDS + 5 <= pod["terminationGracePeriodSeconds"]


def test_compose_waits_as_long_as_draining_takes() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    drain = McpSettings.model_fields["drain_seconds"].default
    for name in SERVICES:
        grace = int(compose["services"][name]["stop_grace_period"].removesuffix("s"))
        assert drain + FINISH_SECONDS + ANSWER_SECONDS + 2 <= grace


def test_no_pod_may_more_than_it_needs() -> None:
    for name, pod in pods():
        assert pod["automountServiceAccountToken"] is False, name
        # A Service named like a setting's prefix would set it.
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
    for account in of_kind("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_the_store_of_the_example_forgets_nothing() -> None:
    (pod,) = [pod for name, pod in pods() if name == "val-town-redis"]
    command = pod["containers"][0]["args"][0]
    for needed in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert needed in command


def published(variant: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return what is to be reached from outside: host and path, path type and service."""
    return {
        (rule["host"], path["path"]): (path["pathType"], path["backend"]["service"]["name"])
        for one in of_kind("Ingress", variant)
        for rule in one["spec"]["rules"]
        for path in rule["http"]["paths"]
    }


def reaches(variant: str, host: str, path: str) -> str | None:
    """Return which service a path leads to by the longest match, as an Ingress decides."""
    best: tuple[int, str] | None = None
    for (rule_host, prefix), (kind, service) in published(variant).items():
        below = kind == "Prefix" and (path == prefix or path.startswith(prefix.rstrip("/") + "/"))
        if rule_host == host and (path == prefix or below) and (best is None or len(prefix) > best[0]):
            best = (len(prefix), service)
    return None if best is None else best[1]


HOSTS = {"one-origin": ("example.com", "example.com"), "two-origins": ("auth.example.com", "mcp.example.com")}


@pytest.mark.parametrize("variant", list(HOSTS))
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/metrics/", "/anything"])
def test_what_is_for_the_operator_is_not_published(variant: str, path: str) -> None:
    assert [reaches(variant, host, path) for host in HOSTS[variant]] == [None, None]


@pytest.mark.parametrize("variant", list(HOSTS))
@pytest.mark.anyio
async def test_every_route_of_the_services_is_published(variant: str, redis: Redis) -> None:
    auth_host, mcp_host = HOSTS[variant]
    given = {"oauth_encryption_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    urls = {"oauth_issuer_url": f"https://{auth_host}", "mcp_resource_url": f"https://{mcp_host}/mcp"}
    auth = auth_server.app.create_app(AuthSettings.model_validate({**given, **urls}), redis=redis)
    mcp = mcp_server.app.create_app(McpSettings.model_validate({**given, **urls}), redis=redis)
    operators = {"/healthz", "/readyz", "/metrics"}
    assert "/oauth/token" in paths_of(auth)
    assert "/.well-known/oauth-protected-resource/mcp" in paths_of(mcp)
    for path in paths_of(auth) - operators:
        assert reaches(variant, auth_host, path) == "val-town-auth", path
    for path in {*paths_of(mcp), "/mcp"} - operators:
        service = reaches(variant, mcp_host, path)
        shared_path = variant == "one-origin" and path.startswith("/.well-known/oauth-authorization-server")
        assert service == ("val-town-auth" if shared_path else "val-town-mcp"), path


def paths_of(app: FastAPI) -> set[str]:
    """Return every path that is routed, with something in the place of its parameters."""
    return {re.sub(r"\{[^}]*\}", "x", str(route.path)) for route in iter_route_contexts(app.routes)}


def test_the_caddyfile_and_the_ingress_send_the_same_paths_to_the_same_service() -> None:
    matcher = re.search(r"@auth path (.+)", (ROOT / "Caddyfile").read_text("utf-8"))
    assert matcher is not None
    for pattern in matcher.group(1).split():
        assert reaches("one-origin", "example.com", pattern.replace("*", "x")) == "val-town-auth", pattern


def test_policies_allow_what_the_services_do_and_name_the_pods_there_are() -> None:
    labels = {
        pod["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
        for pod in [*of_kind("Deployment"), *of_kind("StatefulSet")]
    }
    text = "\n".join(
        path.read_text("utf-8")
        for path in FOLDER.rglob("*.yaml")
        if "NetworkPolicy" in path.read_text("utf-8")
    )
    named = set(re.findall(r"val-town-(?:auth|mcp|redis)\b(?!-)", text))
    assert named <= labels
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind("NetworkPolicy")}
    assert policies["val-town-default-deny"]["policyTypes"] == ["Ingress", "Egress"]
    assert not policies["val-town-default-deny"].keys() & {"ingress", "egress"}
    outside = policies["val-town-common"]["egress"][-1]
    assert outside["ports"] == [{"port": 443}]
    assert "169.254.0.0/16" in outside["to"][0]["ipBlock"]["except"]


def test_an_overlay_scales_and_protects_each_deployment() -> None:
    names = {one["metadata"]["name"] for one in of_kind("Deployment")}
    assert {one["spec"]["scaleTargetRef"]["name"] for one in of_kind("HorizontalPodAutoscaler")} == names
    budgets = of_kind("PodDisruptionBudget")
    assert {one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] for one in budgets} == names
    assert all(one["spec"]["maxUnavailable"] == 1 for one in budgets)
    assert all("replicas" not in one["spec"] for one in of_kind("Deployment"))
    assert all("namespace" not in one["metadata"] for name in VARIANTS for one in load(FOLDER / name))
