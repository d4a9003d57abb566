"""docker-compose.yml and the Dockerfile: every command, setting, secret, port and safeguard is what it is said to be."""

import re
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
from typer.core import TyperGroup

from config.settings import PREFIX, SECRET_PREFIX, Settings, load_secrets, load_settings
from tests.compose_file import ROOT, read_compose
from workers.cli.main import app
from workers.console.users import matches
from workers.pools import STOP_WAIT_S

COMPOSE = read_compose()
OWN = {name: service for name, service in COMPOSE.services.items() if service.own}
ROLES = {"migrate", "receiver", "relay", "recorder", "worker-prepare", "worker-deliver", "console", "flower", "sandbox"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets as `deploy/make-secrets` makes it."""
    folder = tmp_path_factory.mktemp("deploy") / "secrets"
    subprocess.run([ROOT / "deploy/make-secrets", folder], check=True, capture_output=True)
    return folder


def test_every_role_has_its_service() -> None:
    assert set(OWN) == ROLES
    assert set(COMPOSE.services) - ROLES == {"postgres", "rabbitmq", "redis"}
    assert {name for name, service in OWN.items() if service.profiles} == {"sandbox"}


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_command_is_one_of_ours_with_options_it_has(name: str) -> None:
    root = typer.main.get_command(app)
    for words in OWN[name].lines():
        assert words[0] == "millrace"
        command, rest, context = root, words[1:], typer.Context(root)
        while isinstance(command, TyperGroup) and not rest[0].startswith("-"):
            found = command.get_command(context, rest[0])
            assert found is not None, words
            command, rest = found, rest[1:]
        command.make_context(name, list(rest))


def test_every_pool_of_the_fleet_file_has_its_workers() -> None:
    pools = {words[2] for service in OWN.values() for words in service.lines() if words[1] == "worker"}

    assert pools == set(load_settings({}).fleet.pools)


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_variable_is_a_setting_and_every_file_of_it_is_mounted(name: str) -> None:
    service = OWN[name]
    for variable, value in service.environment.items():
        key = variable.removeprefix(PREFIX).lower()
        secret = variable.startswith(SECRET_PREFIX)
        assert secret or key in Settings.model_fields or key.removesuffix("_file") in Settings.model_fields, variable
        if variable.endswith("_FILE") and key not in Settings.model_fields:
            assert value in service.secret_paths.values(), variable
    used = {v for k, v in service.environment.items() if k.endswith("_FILE") and not k.endswith("FLEET_FILE")}
    assert used == set(service.secret_paths.values())
    if fleet := service.environment.get("MILLRACE_FLEET_FILE"):
        assert fleet == service.config_paths["fleet"]


def test_no_password_stands_in_the_file_itself() -> None:
    secret = {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}

    for name, service in OWN.items():
        plain = {variable.removeprefix(PREFIX).lower() for variable in service.environment} & secret
        assert not plain, f"{name}: {plain}"
    assert "POSTGRES_PASSWORD" not in COMPOSE.services["postgres"].environment


def test_every_secret_the_fleet_file_names_is_mounted_where_it_is_needed() -> None:
    fleet = load_settings({}).fleet
    named = {n for source in fleet.sources.values() for n in source.secrets} | {t.secret for t in fleet.targets.values()}

    for name in ROLES - {"flower", "sandbox", "migrate"}:
        assert {f"{SECRET_PREFIX}{n}_FILE" for n in named} <= set(OWN[name].environment), name


def test_the_secrets_that_are_made_are_those_that_are_mounted_and_fit_together(secrets: Path) -> None:
    made = {path.name: path.read_text().strip() for path in secrets.iterdir()}
    again = subprocess.run([ROOT / "deploy/make-secrets", secrets], check=True, capture_output=True)
    broker, api = urlsplit(made["broker_url"]), urlsplit(made["broker_api_url"])
    login = dict(line.split(" = ") for line in made["rabbitmq_login.conf"].splitlines())

    # The console's password is for a person; the console has its hash.
    assert matches(made.pop("console_password"), made["console_users"].rpartition(":")[2])
    assert set(made) == {Path(secret.file).name for secret in COMPOSE.secrets.values()}
    assert again.stderr == b""
    assert {(url.username, url.password) for url in (broker, api)} == {(login["default_user"], login["default_pass"])}
    assert urlsplit(made["ledger_url"]).password == made["postgres_password"]
    assert urlsplit(made["redis_url"]).password == made["redis_login.conf"].removeprefix("requirepass ")
    assert {broker.hostname, urlsplit(made["ledger_url"]).hostname, urlsplit(made["redis_url"]).hostname} <= set(COMPOSE.services)
    assert (
        broker.path
        == "/" + re.findall(r"^default_vhost = (\w+)$", (ROOT / "deploy/rabbitmq/20-millrace.conf").read_text(), re.MULTILINE)[0]
    )
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


def test_the_settings_of_every_role_load_from_the_files_that_are_made(secrets: Path) -> None:
    for name, service in read_compose({"/run/secrets/": f"{secrets}/", "/etc/millrace/": f"{ROOT / 'config'}/"}).services.items():
        if service.own:
            loaded = load_settings(service.environment)
            assert set(load_secrets(service.environment)) in ({"SHOPIFY", "OPEN", "SANDBOX"}, set()), name
            assert loaded.fleet.targets


def test_secrets_never_enter_the_repository() -> None:
    assert (ROOT / "deploy/secrets/.gitignore").read_text() == "*\n!.gitignore\n"
    assert "!deploy/secrets" not in (ROOT / ".dockerignore").read_text()
    assert all(Path(secret.file).parent == Path("deploy/secrets") for secret in COMPOSE.secrets.values())


def test_only_loopback_is_offered_on_the_machine() -> None:
    offered = {name: service.published for name, service in COMPOSE.services.items() if service.ports}

    assert offered == {
        "receiver": [("127.0.0.1", "8700")],
        "console": [("127.0.0.1", "8760")],
        "flower": [("127.0.0.1", "8755")],
        "rabbitmq": [("127.0.0.1", "15672")],
    }


@pytest.mark.parametrize("name", sorted(COMPOSE.services))
def test_every_service_is_watched_bounded_and_ends_in_time(name: str) -> None:
    service = COMPOSE.services[name]

    assert service.healthcheck.test or name == "migrate"
    assert service.healthcheck.disable == (name == "migrate")
    assert service.restart == ("on-failure:5" if name == "migrate" else "unless-stopped")
    assert service.deploy.resources.limits.memory
    assert set(service.logging.options) == {"max-size", "max-file"}
    assert "no-new-privileges:true" in service.security_opt
    assert ":" in service.image
    assert not service.image.endswith(":latest")
    if name.startswith("worker-"):
        assert service.stop_grace_period is not None
        assert int(service.stop_grace_period.removesuffix("s")) > STOP_WAIT_S


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_own_run_without_rights_on_a_file_system_they_cannot_write(name: str) -> None:
    service = OWN[name]

    assert (service.user, service.read_only, service.cap_drop, service.init) == ("10001:10001", True, ["ALL"], True)
    assert [mount.partition(":")[0] for mount in service.tmpfs] == ["/tmp"]
    assert not service.volumes


def test_everything_that_is_named_is_there() -> None:
    for name, service in COMPOSE.services.items():
        assert set(service.secret_paths) <= set(COMPOSE.secrets), name
        assert set(service.config_paths) <= set(COMPOSE.configs), name
        assert set(service.networks) <= set(COMPOSE.networks), name
        assert set(service.depends_on) <= set(COMPOSE.services), name
        assert {volume.partition(":")[0] for volume in service.volumes} <= set(COMPOSE.volumes), name
    assert all((ROOT / config.file).is_file() for config in COMPOSE.configs.values())


def test_nothing_works_before_tables_and_topology_are_there() -> None:
    for name in ROLES - {"migrate", "flower", "sandbox"}:
        waits = {other: wait.condition for other, wait in OWN[name].depends_on.items()}
        assert waits == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "rabbitmq": "service_healthy",
            "redis": "service_healthy",
        }
    assert OWN["migrate"].lines() == [["millrace", "db", "upgrade"], ["millrace", "topology", "declare"]]


def _stages() -> list[str]:
    return re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_the_image_is_built_in_two_stages_from_pinned_parts_and_runs_without_rights() -> None:
    build, final = _stages()

    assert {stage.split()[0] for stage in (build, final)} == {"python:3.11.13-slim-bookworm"}
    assert "--require-hashes -r requirements/run.lock" in build
    assert re.findall(r"^USER (.*)$", final, re.MULTILINE) == ["10001:10001"]
    assert "pip uninstall" in final
    assert not re.search(r"\bpip install\b|apt-get", final)
    assert re.search(r"^HEALTHCHECK ", final, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["millrace"\]$', final, re.MULTILINE)


def test_the_image_gets_every_package_of_the_product_and_the_builder_nothing_else() -> None:
    import tomllib

    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.removesuffix("*") for name in table["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = {line.split()[1] for line in _stages()[0].splitlines() if line.startswith("COPY ")}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert packages <= copied
    assert allowed == packages | {"LICENSE", "README.md", "pyproject.toml", "requirements/run.lock", "deploy/millrace-healthy"}
