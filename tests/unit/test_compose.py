"""The compose files say what the code understands."""

from __future__ import annotations

import importlib.util
import re
import secrets
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from alterd_runtime.settings import PREFIX, load
from alterd_runtime.topology import load_keyspace

FOLDER = Path(__file__).parents[2] / "compose"
OUR_IMAGE = "alterd:"
CONFS = sorted((FOLDER / "nats").glob("*.conf"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def ours(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if service["image"].startswith(OUR_IMAGE)}


def test_every_part_has_its_containers(services: dict[str, dict[str, Any]]) -> None:
    counts = {name: service.get("deploy", {}).get("replicas", 1) for name, service in ours(services).items()}
    counts.pop("cli")
    assert counts == {"intake": 1, "scheduler": 2, "executor": 2, "throttler": 2, "audit": 1, "alert": 1}
    assert {"nats-1", "nats-2", "nats-3", "mysql-primary", "mysql-replica"} <= services.keys()


def test_every_service_is_a_module_that_can_be_run(services: dict[str, dict[str, Any]]) -> None:
    for name, service in ours(services).items():
        if name != "cli":
            assert importlib.util.find_spec(f"{service['command'][0]}.__main__"), name


def test_every_variable_is_a_setting(services: dict[str, dict[str, Any]]) -> None:
    for name, service in ours(services).items():
        environment = service["environment"]
        assert all(isinstance(value, str) for value in environment.values()), name
        assert all(variable.startswith(PREFIX) and "__" in variable for variable in environment), name
        settings = load(environ=environment)
        assert len(settings.nats.servers) == settings.nats.replicas == 3
        assert settings.http.host == "0.0.0.0"  # noqa: S104 - inside the container


def test_ports_are_published_on_this_machine_only(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published
    assert all(isinstance(port, str) and port.startswith("127.0.0.1:") for port in published)
    assert len(set(published)) == len(published)
    assert not any("ports" in service for service in ours(services).values())
    assert not any(service.get("network_mode") == "host" for service in services.values())


def test_images_are_pinned(services: dict[str, dict[str, Any]]) -> None:
    base = re.findall(r"^FROM (\S+)", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    for image in [*base, *(service["image"] for service in services.values())]:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)?", image), image


@pytest.mark.parametrize("conf", CONFS, ids=lambda path: path.name)
def test_nats_syncs_before_it_acknowledges(conf: Path) -> None:
    assert re.search(r"jetstream\s*\{[^}]*^\s*sync_interval: always$", conf.read_text(), re.MULTILINE)


@pytest.mark.parametrize("conf", CONFS, ids=lambda path: path.name)
def test_nats_understands_its_configuration(conf: Path) -> None:
    program = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if program is None:
        pytest.skip("no nats-server on this machine")
    checked = subprocess.run([program, "-t", "-c", str(conf)], check=False, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_every_nats_server_has_a_configuration_and_a_place_of_its_own(services: dict[str, dict[str, Any]]) -> None:
    assert CONFS
    servers = {name: service for name, service in services.items() if service["image"].startswith("nats:")}
    assert len(servers) == 3
    for name, service in servers.items():
        assert service["command"][-1] == name
        conf, data = service["volumes"]
        assert (FOLDER / conf.partition(":")[0]).resolve() in CONFS
        assert data == f"{name}:/data"


def test_secrets_are_files_and_only_where_they_are_needed(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    assert all(secret["file"].startswith("./secrets/") for secret in compose["secrets"].values())
    for name, service in services.items():
        assert set(service.get("secrets", ())) <= compose["secrets"].keys()
        assert not [key for key in service.get("environment", {}) if "PASSWORD" in key and not key.endswith("_FILE")]
        if service["image"].startswith(OUR_IMAGE):
            needed = ["alterd_mysql_password"] if name in {"executor", "throttler"} else []
            assert service.get("secrets", []) == needed, name
    assert (FOLDER / "secrets" / ".gitignore").read_text().startswith("*\n")


def test_every_container_tells_its_health(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        if name != "cli":
            assert service["healthcheck"]["test"][0] == "CMD", name
    assert all("/readyz" in str(service["healthcheck"]) for name, service in ours(services).items() if name != "cli")


def test_the_keyspace_names_servers_and_secrets_that_are_there(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    keyspace = load_keyspace((FOLDER / "keyspaces" / "shop.toml").read_text())
    [shard] = keyspace.shards
    assert {server.host for server in shard.servers} <= services.keys()
    assert Path(shard.password.file or "").name in compose["secrets"]
    assert f"CREATE SCHEMA {shard.schema};" in (FOLDER / "mysql" / "primary.sh").read_text()


def test_mounted_files_are_there(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (FOLDER / source).is_file(), source


@pytest.mark.parametrize("script", sorted((FOLDER / "mysql").glob("*.sh")), ids=lambda path: path.name)
def test_init_scripts_are_shell(script: Path) -> None:
    checked = subprocess.run(["bash", "-n", str(script)], check=False, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stderr


def docker(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], check=False, capture_output=True, text=True, timeout=timeout, cwd=FOLDER
    )


def need_docker(*arguments: str) -> None:
    """Skips unless this docker command works."""
    if shutil.which("docker") is None:
        pytest.skip("no docker on this machine")
    tried = docker(*arguments)
    if tried.returncode:
        pytest.skip(f"`docker {' '.join(arguments)}`: {(tried.stderr or tried.stdout).strip().splitlines()[0]}")


def test_compose_reads_its_file() -> None:
    need_docker("compose", "version")
    checked = docker("compose", "config", "--quiet")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_starts() -> None:
    need_docker("compose", "version")
    need_docker("info", "--format", "{{.ServerVersion}}")
    for name in ("mysql_root_password", "alterd_mysql_password", "replication_password"):
        if not (FOLDER / "secrets" / name).exists():
            pytest.skip(f"there is no compose/secrets/{name}: see compose/README.md")
    project = ("compose", "--project-name", f"alterd-test-{secrets.token_hex(4)}")  # never somebody's own volumes
    try:
        started = docker(*project, "up", "--build", "--wait", timeout=800)
        assert started.returncode == 0, started.stderr
    finally:
        docker(*project, "down", "--volumes", timeout=120)
