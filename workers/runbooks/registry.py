"""Names every runbook there is."""

from collections.abc import Mapping

from workers.runbooks.api_throttling import ApiThrottling
from workers.runbooks.base import Runbook
from workers.runbooks.broker_alarm import BrokerAlarm
from workers.runbooks.failover_routing import FailoverRouting
from workers.runbooks.order_recovery import OrderRecovery
from workers.runbooks.poison_flood import PoisonFlood
from workers.runbooks.queue_backlog import QueueBacklog
from workers.runbooks.replay_after_outage import ReplayAfterOutage

_ALL: tuple[Runbook, ...] = (
    ApiThrottling(), QueueBacklog(), FailoverRouting(), OrderRecovery(), ReplayAfterOutage(), BrokerAlarm(), PoisonFlood(),
)  # fmt: skip
RUNBOOKS: Mapping[str, Runbook] = {book.name: book for book in _ALL}
"""By name, in the order in which they are shown."""
