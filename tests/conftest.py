"""Fixtures for all rings: what a test asks for by name decides which real services are started."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.live import LiveServices, Rabbit, fresh_database, fresh_redis, fresh_vhost
from workers.local.process import Process
from workers.local.service import Service

LIVE = {"live_services", "rabbitmq", "redis_server", "postgres_server", "rabbit", "broker_url", "redis_url", "postgres_url"}
PREFIX = "millrace-tests-"
# How long an example takes is the machine's matter: it is shared, and a pause of it is no fault of the code.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
SHARED_FOLDER = pytest.StashKey[Path]()
OWNER = pytest.StashKey[Process]()


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", None)
    if given is None:
        me = config.stash[OWNER] = Process.of(os.getpid())
        _sweep()
        config.stash[SHARED_FOLDER] = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{me.pid}-{me.born}-"))
    else:
        config.stash[SHARED_FOLDER] = Path(given["shared_folder"])
        config.stash[OWNER] = Process(*given["owner"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "pytest.Item") -> None:
    """Tell each xdist worker where the session's services are noted, and whose life they share."""
    owner = node.config.stash[OWNER]
    given: dict[str, object] = node.workerinput  # type: ignore[attr-defined] # xdist's node, not typed
    given["shared_folder"] = str(node.config.stash[SHARED_FOLDER])
    given["owner"] = [owner.pid, owner.born]


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    _services(config).stop()
    shutil.rmtree(config.stash[SHARED_FOLDER], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the rings: a test is live if a fixture of it is, and fleet tests share one worker."""
    for item in items:
        if LIVE & set(getattr(item, "fixturenames", ())) or "postgresql" in _parameters(item):
            item.add_marker("live")
        if item.get_closest_marker("fleet"):
            item.add_marker(pytest.mark.xdist_group("fleet"))


def _sweep() -> None:
    """Remove the folders of sessions that were killed; their services ended with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*-*"):
        pid, born, *_ = folder.name.removeprefix(PREFIX).split("-")
        if not Process(int(pid), int(born)).alive():
            shutil.rmtree(folder, ignore_errors=True)


def _parameters(item: pytest.Item) -> set[object]:
    call = getattr(item, "callspec", None)
    return {value for value in call.params.values() if isinstance(value, str)} if call else set()


def _services(config: pytest.Config) -> LiveServices:
    return LiveServices(config.stash[SHARED_FOLDER], config.stash[OWNER], ci=os.environ.get("CI") == "true")


@pytest.fixture(scope="session")
def live_services(pytestconfig: pytest.Config) -> LiveServices:
    """The session's private services; ask for one and it is started."""
    return _services(pytestconfig)


@pytest.fixture(scope="session")
def rabbitmq(live_services: LiveServices) -> Service:
    """The session's RabbitMQ; tests take ``rabbit`` or ``broker_url``, a vhost of their own."""
    return live_services.rabbitmq()


@pytest.fixture(scope="session")
def redis_server(live_services: LiveServices) -> Service:
    """The session's Redis; tests take ``redis_url``."""
    return live_services.redis()


@pytest.fixture(scope="session")
def postgres_server(live_services: LiveServices) -> Service:
    """The session's PostgreSQL; tests take ``postgres_url`` or ``ledger_url``."""
    return live_services.postgres()


@pytest.fixture
def rabbit(rabbitmq: Service) -> Iterator[Rabbit]:
    """An empty vhost of this test's own: its AMQP URL, the management API's URL and its name."""
    with fresh_vhost(rabbitmq) as vhost:
        yield vhost


@pytest.fixture
def broker_url(rabbit: Rabbit) -> str:
    """The AMQP URL of an empty vhost."""
    return rabbit.url


@pytest.fixture
def redis_url(live_services: LiveServices, redis_server: Service) -> Iterator[str]:
    """The URL of an empty Redis database."""
    with fresh_redis(redis_server, live_services.next_database()) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: Service) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database: each test that asks runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
