"""Runs the remote control of the workers' pools for peak profiles: who is there, how large, larger and smaller."""

from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import OperationalError

from workers.peak_pools import PoolWorker

ANSWER_S = 1.0
IO_WAIT_S = 5


class CeleryRemote:
    """Celery's remote control over the broker; a connection a question, none in between."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("millrace-peaks", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            control_queue_exclusive=True,
            broker_connection_timeout=IO_WAIT_S,
            broker_connection_max_retries=1,
            broker_transport_options={"read_timeout": IO_WAIT_S, "write_timeout": IO_WAIT_S},
        )

    def workers(self) -> list[PoolWorker]:
        found = []
        for answer in self._ask("pool_now", {}, None):
            for name, told in answer.items():
                if isinstance(told, dict) and "pool" in told:
                    found.append(PoolWorker(name, told["pool"], int(told["size"]), int(told["configured"]), int(told["pid"])))
        return found

    def resize(self, worker: PoolWorker, by: int) -> str:
        command = "pool_grow" if by > 0 else "pool_shrink"
        answers = self._ask(command, {"n": abs(by)}, worker.name)
        if not answers:
            return "it did not answer"
        told = answers[0].get(worker.name, {})
        return "" if "ok" in told else str(told.get("error", told))

    def close(self) -> None:
        """Close what the app keeps open."""
        self._app.close()

    def _ask(self, command: str, arguments: Mapping[str, object], worker: str | None) -> list[Any]:
        try:
            with self._app.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=IO_WAIT_S)
                told = self._app.control.broadcast(
                    command,
                    arguments=dict(arguments),
                    destination=[worker] if worker else None,
                    limit=1 if worker else None,
                    reply=True,
                    timeout=ANSWER_S,
                    connection=connection,
                )
        except (OperationalError, CeleryError) as error:
            raise OSError(f"the broker does not answer: {type(error).__name__}") from None
        return list(told or [])
