"""Does the job with blocking clients: one PostgreSQL connection a thread, kept-alive HTTP."""

import threading
import time

import psycopg
import urllib3

from bench.peers import job
from bench.peers.share import COME_AGAIN_S, MOST_REFUSALS, RefusedError, share_of
from bench.peers.wiring import wiring

_WIRING = wiring()
_SHARE = share_of(_WIRING)
_LOCAL = threading.local()
_HTTP = urllib3.PoolManager(maxsize=_WIRING.slots, retries=False, timeout=urllib3.Timeout(10.0))
_HEADERS = {"Content-Type": "application/json"}

TAKE = "INSERT INTO orders (order_key, status, total) VALUES (%s, 'taken', %s) ON CONFLICT DO NOTHING"
POSTED = "SELECT 1 FROM orders WHERE order_key = %s AND status = 'posted'"
FINISH = "UPDATE orders SET status = 'posted', posted_at = now() WHERE order_key = %s"


def handle(body: bytes) -> None:
    """Do one order: once in the table, once in the ERP. Raises when the message belongs to the dead letters."""
    if _SHARE:
        time.sleep(_SHARE.wait_s())
    if not take(order := job.read(body)):
        return None
    for _ in range(MOST_REFUSALS):
        try:
            return post(order)
        except RefusedError:
            time.sleep(COME_AGAIN_S + (_SHARE.wait_s() if _SHARE else 0.0))
    raise RuntimeError(f"order {order.key}: refused {MOST_REFUSALS} times")


def take(order: job.Order) -> bool:
    """Take the order for this worker; False when it is in the ERP already."""
    database = _database()
    if database.execute(TAKE, (order.key, order.total)).rowcount:
        return True
    if _posted_by_another(database, order.key):
        return False
    # Whoever had it died on the way: the ERP knows whether it arrived.
    if _HTTP.request("GET", _WIRING.erp_url + job.posting_path(order.key)).status != 200:
        return True
    database.execute(FINISH, (order.key,))
    return False


def post(order: job.Order) -> None:
    """Post an order that was taken. Raises RefusedError when the ERP throttles, RuntimeError for every other refusal."""
    answer = _HTTP.request("PUT", _WIRING.erp_url + job.posting_path(order.key), body=order.body, headers=_HEADERS)
    if answer.status == 429:
        raise RefusedError(order.key)
    if answer.status != 204:
        raise RuntimeError(f"order {order.key}: the ERP answered {answer.status}")
    _database().execute(FINISH, (order.key,))


def _posted_by_another(database: psycopg.Connection, key: str) -> bool:
    """Whether whoever took the order first posted it; False when it did not in time: it died, the order is ours."""
    deadline = time.monotonic() + _WIRING.claim_s
    while not (posted := database.execute(POSTED, (key,)).fetchone()) and time.monotonic() < deadline:
        time.sleep(job.CLAIM_POLL_S)
    return posted is not None


def _database() -> psycopg.Connection:
    connection: psycopg.Connection | None = getattr(_LOCAL, "connection", None)
    if connection is None or connection.closed:
        connection = _LOCAL.connection = psycopg.connect(_WIRING.database_url, autocommit=True)
    return connection
