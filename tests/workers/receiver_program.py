"""The child process of receiver tests: two sources, `shop` (Shopify, two keys) and `portal` (the open channel)."""

import sys
from datetime import UTC, datetime

from adapters.channels.registry import CHANNELS
from ledger.session import Ledger
from routing.names import Class
from telemetry import metrics
from tests.adapters.channels.requests import SECRETS
from workers.receiver import Bounds, Door, Intake, serve

READ_TIME_S = 1.0
MOST_BODY = 65_536


def main(ledger_url: str, broker_url: str, port: str, most_connections: str) -> None:
    measured = metrics.start()
    ledger = Ledger(ledger_url)
    doors = {
        "shop": Door("shop", CHANNELS["shopify"], (b"a newer key", SECRETS["shopify"]), MOST_BODY, READ_TIME_S),
        "portal": Door("portal", CHANNELS["open"], (SECRETS["open"],), MOST_BODY, READ_TIME_S),
    }
    intake = Intake(doors, _classify, ledger, broker_url, measured.exposition, lambda: datetime.now(UTC))
    serve(intake, host="127.0.0.1", port=int(port), bounds=Bounds(int(most_connections), header_time_s=2.0))
    ledger.close()


def _classify(source: str, topic: str, _body: bytes) -> Class:
    return "high" if topic == "orders/cancelled" else "normal"


if __name__ == "__main__":
    main(*sys.argv[1:])
