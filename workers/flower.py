"""Runs Flower: the workers in a browser and by its HTTP API, behind a login; what goes around the ledger is not offered."""

import base64
import binascii
import hmac
import logging
import signal
import threading
from pathlib import Path
from typing import Any

from celery import Celery
from celery.events import EventReceiver
from flower.app import Flower  # type: ignore[import-untyped]  # Flower ships no types
from flower.events import Events  # type: ignore[import-untyped]  # Flower ships no types
from flower.options import options  # type: ignore[import-untyped]  # Flower ships no types
from flower.urls import settings as page_settings  # type: ignore[import-untyped]  # Flower ships no types
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from config.nearest import ConfigError
from config.settings import Settings
from telemetry import Name, emit
from workers.roles import start_telemetry, touch

_log = logging.getLogger("flower.millrace")

MOST_TASKS = 20_000
FORGET_WORKERS_S = 3_600
HEARTBEAT_S = 30
CONNECT_WAIT_S = 5
AGAIN_S = 5.0
OPEN_PATH = "/healthcheck"
_COLUMNS = "name,args,state,received,started,runtime,worker"
_AROUND_THE_LEDGER = ("/api/task/apply/", "/api/task/async-apply/", "/api/task/send-task/")


def run_flower(settings: Settings, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT. Raises ConfigError without a usable login, OSError if the port is taken."""
    login = _login_of(settings)
    start_telemetry(settings, "flower", serve_metrics=False)
    _set_options(settings, login)
    celery = _celery(settings)
    loop = IOLoop.current()
    guarded = GuardedFlower(login, capp=celery, options=options, events=_events(celery, loop), io_loop=loop, **page_settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.add_callback_from_signal(guarded.stop))
    guarded.start_http_server()
    loop.add_callback(touch, ready_file)
    guarded.start()
    emit(Name.WORKER_STOP_DONE, role="flower")


class GuardedFlower(Flower):  # type: ignore[misc]  # Flower comes without types
    """Flower that asks everybody for the login, on every path but the health check, before any page of it runs.

    Flower itself leaves ``/metrics`` open and answers a login that is not ASCII with a stack trace. A task sent from here
    would carry no row of the ledger, so sending tasks is refused.
    """

    def __init__(self, login: str, **kwargs: Any) -> None:
        self._login = login.encode()
        super().__init__(**kwargs)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The page for a request, or the refusal."""
        if request.path != OPEN_PATH and not _is_login(request.headers.get("Authorization", ""), self._login):
            return self.get_handler_delegate(request, _Refusal, {"status": 401, "said": "login required"})
        if request.path.startswith(_AROUND_THE_LEDGER):
            said = "tasks are made from the ledger's rows alone: see millrace failures retry"
            return self.get_handler_delegate(request, _Refusal, {"status": 403, "said": said})
        return super().find_handler(request, **kwargs)

    def stop(self) -> None:
        """End; what still waits for a worker's answer is let go."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        super().stop()


class _Refusal(RequestHandler):
    """Answers one status and why."""

    def initialize(self, status: int, said: str) -> None:
        self._status, self._said = status, said

    def prepare(self) -> None:
        """Answer before the method is looked at."""
        self.set_status(self._status)
        if self._status == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="millrace", charset="UTF-8"')
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{self._said}\n")

    def check_xsrf_cookie(self) -> None:
        """Nothing is changed here."""


class SteadyEvents(Events):  # type: ignore[misc]  # Flower comes without types
    """Flower's listening to the workers; after a lost broker it tries again at an even pace.

    Flower doubles its wait each time without end: after an hour without broker it would be deaf for another hour.
    """

    def run(self) -> None:
        """Listen for ever; the thread ends with the process."""
        pause = threading.Event()
        while True:
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001  whatever ends the listening, it has to begin again
                _log.warning("workers are not heard, trying again in %s seconds: %s", AGAIN_S, type(error).__name__)
            pause.wait(AGAIN_S)

    def _listen(self) -> None:
        with self.capp.connection() as connection:
            receiver = EventReceiver(connection, handlers={"*": self.on_event}, app=self.capp)
            receiver.capture(limit=None, timeout=None, wakeup=True)


def _login_of(settings: Settings) -> str:
    login = settings.flower_login.get_secret_value()
    user, _, password = login.partition(":")
    if not user or not password:
        raise ConfigError(
            "MILLRACE_FLOWER_LOGIN: set user:password; Flower can stop workers, so it does not start without a login"
        )
    return login


def _is_login(header: str, login: bytes) -> bool:
    scheme, _, given = header.partition(" ")
    try:
        told = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(told, login)


def _set_options(settings: Settings, login: str) -> None:
    """Flower reads its options from one object of the process; the login reaches it here, never by a command line."""
    chosen: dict[str, Any] = {
        "address": settings.flower_host,
        "port": settings.flower_port,
        "basic_auth": [login],
        "read_only": settings.flower_read_only,
        "broker_api": settings.broker_api_url.get_secret_value() or None,
        "max_tasks": MOST_TASKS,
        "persistent": False,
        "natural_time": True,
        "purge_offline_workers": FORGET_WORKERS_S,
        "tasks_columns": _COLUMNS,
        "debug": False,
    }
    for name, value in chosen.items():
        setattr(options, name, value)


def _celery(settings: Settings) -> Celery:
    """An app that only knows the broker: names of tasks come with the workers' events."""
    app = Celery("flower", set_as_current=False)
    app.conf.update(
        broker_url=settings.broker_url.get_secret_value(),
        broker_heartbeat=HEARTBEAT_S,
        broker_connection_timeout=CONNECT_WAIT_S,
        broker_connection_retry_on_startup=True,
        task_create_missing_queues=False,
        accept_content=["json"],
        result_backend=None,
        timezone="UTC",
        enable_utc=True,
    )
    return app


def _events(celery: Celery, loop: IOLoop) -> SteadyEvents:
    return SteadyEvents(
        celery, loop, persistent=False, enable_events=True, max_tasks_in_memory=MOST_TASKS, max_workers_in_memory=500
    )
