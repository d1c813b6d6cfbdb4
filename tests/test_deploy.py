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
        assert "USER burin" in target and "/_stcore/health" in target and "HEALTHCHECK" in target
        assert target.rindex("USER burin") > target.rindex("RUN ")
    for file in re.findall(r"(requirements\S*\.(?:txt|lock))", DOCKERFILE):
        assert (ROOT / file).is_file()
    container = one("Deployment")["spec"]["template"]["spec"]
    assert container["securityContext"]["runAsNonRoot"] is True


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
