"""The examples of deploy/ are read, and every name in them is one that the code, or the program it is for, knows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from streamlit import config as streamlit

from core.embedding.milvus import TOKEN
from core.ground.config import WorkspaceConfig
from core.ground.workspace import ENVIRONMENT
from core.shell.settings import NAMES

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
START = (DEPLOY / "start.sh").read_text("utf-8")
LIBPQ = {"PGPASSWORD"}  # read by PostgreSQL's own library
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")


def known(name: str) -> bool:
    """Whether an environment variable of the app is read by somebody."""
    if name.startswith("STREAMLIT_"):
        options = {f"STREAMLIT_{re.sub(r'(?<!^)(?=[A-Z])', '_', key.replace('.', '_')).upper()}" for key in options_()}
        return name in options
    return name in {ENVIRONMENT, TOKEN} | LIBPQ or f"${{{name}:-}}" in START


def options_() -> set[str]:
    return set(streamlit.get_config_options())


def one(kind: str) -> dict[str, Any]:
    (found,) = [document for document in KUBERNETES if document["kind"] == kind]
    return found


def app_variables() -> dict[str, set[str]]:
    return {
        "compose.yaml": set(COMPOSE["services"]["app"]["environment"]),
        "kubernetes.yaml": set(one("Secret")["stringData"]) | set(one("ConfigMap")["data"]),
        "Dockerfile": set(re.findall(r"\b((?:BURIN|STREAMLIT)_[A-Z_]+)=", DOCKERFILE)),
    }


@pytest.mark.parametrize("file", app_variables())
def test_every_variable_of_the_app_is_read_by_somebody(file: str) -> None:
    names = app_variables()[file]
    assert names and [name for name in sorted(names) if not known(name)] == []
    assert not known("BURIN_NOTHING") and not known("STREAMLIT_SERVER_NOTHING")


def test_what_the_start_sets_are_settings() -> None:
    found = re.findall(r"settings set (\w+)", START)
    assert found == ["catalogue_url", "index_url", "ray_address"] and set(found) <= set(NAMES)
    for where in (COMPOSE["services"]["app"]["environment"], one("ConfigMap")["data"]):
        WorkspaceConfig(catalogue_url=where["BURIN_CATALOGUE_URL"], index_url=where["BURIN_INDEX_URL"])
        assert (
            "@" in where["BURIN_CATALOGUE_URL"] and ":" not in where["BURIN_CATALOGUE_URL"].split("//")[1]
        )  # no password
    assert subprocess.run(["sh", "-n", str(DEPLOY / "start.sh")]).returncode == 0


def test_streamlit_takes_the_hosts_as_they_are_written() -> None:
    written = COMPOSE["services"]["app"]["environment"]["STREAMLIT_SERVER_ALLOWED_HOSTS"].replace(
        "${BURIN_HOST}", "a.b"
    )
    own = os.environ | {"STREAMLIT_SERVER_ALLOWED_HOSTS": written}
    command = [sys.executable, "-m", "streamlit", "config", "show"]
    said = subprocess.run(command, env=own, cwd=ROOT, capture_output=True, text=True, timeout=120).stdout
    assert re.search(r'^allowedHosts = \[\s*"localhost",\s*"127\.0\.0\.1",\s*"a\.b",?\s*\]', said, re.M)


def test_both_images_run_as_nobody_special_and_say_how_they_are() -> None:
    targets = re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]
    named = {re.search(r" AS (\w+)", target).group(1): target for target in targets}  # type: ignore[union-attr]
    assert set(named) == {"base", "cpu", "cuda"}
    assert COMPOSE["services"]["app"]["build"]["target"] == "${BURIN_TARGET:-cpu}"
    for target in (named["cpu"], named["cuda"]):
        assert "USER 10001:10001" in target and "/_stcore/health" in target and "HEALTHCHECK" in target
        assert target.rindex("USER ") > target.rindex("RUN ")
    for file in re.findall(r"(requirements\S*\.(?:txt|lock))", DOCKERFILE):
        assert (ROOT / file).is_file()
    container = one("Deployment")["spec"]["template"]["spec"]
    assert container["securityContext"]["runAsNonRoot"] is True and container["securityContext"]["runAsUser"] == 10001
    assert "--uid 10001" in named["base"]


def test_no_secret_gets_into_an_image() -> None:
    """compose.yaml reads the passwords from a file beside it, and the whole folder is copied."""
    left_out = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert {"**/.env", ".streamlit/secrets.toml", ".git", "data", "model"} <= set(left_out)
    assert not [name for name in (".env", "deploy/.env") if (ROOT / name).exists() and _tracked(name)]


def _tracked(name: str) -> bool:
    return bool(subprocess.run(["git", "ls-files", name], cwd=ROOT, capture_output=True, text=True).stdout)


def test_what_ends_has_the_time_to_and_what_a_job_leaves_is_seen_to() -> None:
    """A first process that is no init leaves the jobs that it did not start as zombies, which look alive."""
    assert DOCKERFILE.count('ENTRYPOINT ["tini", "--", "sh", "deploy/start.sh"]') == 2
    assert START.rstrip().splitlines()[-1].startswith("exec ")  # so that SIGTERM reaches the server
    for name in ("app", "postgres", "milvus"):
        assert COMPOSE["services"][name]["stop_grace_period"] in ("30s", "1m")
    pod = one("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= waits + 30
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["timeoutSeconds"] >= 5  # a server at work answers late


def test_the_example_with_gpus_adds_to_a_service_that_is_there() -> None:
    more = yaml.safe_load((DEPLOY / "compose.cuda.yaml").read_text("utf-8"))["services"]
    assert set(more) <= set(COMPOSE["services"])
    (device,) = more["app"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia" and device["capabilities"] == ["gpu"]


def test_a_visitor_stays_with_one_server_whatever_stands_before_them() -> None:
    said = one("Service")["metadata"]["annotations"] | one("Ingress")["metadata"]["annotations"]
    assert said["traefik.ingress.kubernetes.io/service.sticky.cookie"] == "true"
    assert said["nginx.ingress.kubernetes.io/affinity"] == "cookie" and one("Ingress")["spec"]["ingressClassName"]
    # two versions side by side would not both open the catalogue
    assert one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_only_the_proxy_is_reachable_and_what_is_named_is_there() -> None:
    services = COMPOSE["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file()
    caddy = (DEPLOY / "Caddyfile").read_text("utf-8")
    assert "lb_policy cookie" in caddy and "dynamic a app 8501" in caddy
    example = set(re.findall(r"^(\w+)=", (DEPLOY / "example.env").read_text("utf-8"), re.M))
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
    assert asked == example
    deployment, service, ingress = one("Deployment"), one("Service"), one("Ingress")
    assert deployment["spec"]["template"]["metadata"]["labels"] == service["spec"]["selector"]
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert (
        backend["name"] == service["metadata"]["name"]
        and backend["port"]["number"] == service["spec"]["ports"][0]["port"]
    )
    assert one("PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteMany"]
