"""Names everything that can be told: one closed list of `thing.verb.state` paths."""

from enum import StrEnum, unique


@unique
class Name(StrEnum):
    """What happened. `start` and `stop` frame a piece of work (`stop` carries `duration_s`); every other state is a past fact."""

    # Receiver: one outside event at the door.
    EVENT_ACCEPT_START = "event.accept.start"
    EVENT_ACCEPT_DONE = "event.accept.done"
    EVENT_ACCEPT_FAILED = "event.accept.failed"
    EVENT_REFUSE_DONE = "event.refuse.done"
    INTAKE_COMMIT_STOP = "intake.commit.stop"
    CLOCK_SKEW_SEEN = "clock.skew.seen"

    # Preparing: events become documents and deliveries.
    EVENT_PREPARE_START = "event.prepare.start"
    EVENT_PREPARE_STOP = "event.prepare.stop"
    EVENT_PARK_DONE = "event.park.done"
    EVENT_RELEASE_DONE = "event.release.done"
    DOCUMENT_WRITE_STOP = "document.write.stop"

    # Delivering: one effect on one target.
    DELIVERY_CLAIM_STOP = "delivery.claim.stop"
    DELIVERY_FIND_STOP = "delivery.find.stop"
    DELIVERY_POST_START = "delivery.post.start"
    DELIVERY_POST_STOP = "delivery.post.stop"
    DELIVERY_PARK_DONE = "delivery.park.done"
    DELIVERY_RETRY_SCHEDULED = "delivery.retry.scheduled"
    DELIVERY_RELEASE_DONE = "delivery.release.done"
    DELIVERY_SUPERSEDE_DONE = "delivery.supersede.done"
    STEP_RUN_FAILED = "step.run.failed"
    ERP_EXCHANGE_START = "erp.exchange.start"
    ERP_EXCHANGE_STOP = "erp.exchange.stop"

    # Throttle of a lane.
    LANE_THROTTLE_GRANTED = "lane.throttle.granted"
    LANE_THROTTLE_DENIED = "lane.throttle.denied"
    LANE_THROTTLE_PAUSED = "lane.throttle.paused"
    LANE_THROTTLE_FALLBACK = "lane.throttle.fallback"
    LANE_THROTTLE_RECOVERED = "lane.throttle.recovered"
    LANE_THROTTLE_CLAMPED = "lane.throttle.clamped"

    # Fetching: messages from the broker into a pool.
    FETCH_PICK_STOP = "fetch.pick.stop"
    FETCH_BUFFER_RETURNED = "fetch.buffer.returned"
    FETCH_MESSAGE_REJECTED = "fetch.message.rejected"
    FETCH_WEIGHTS_CHANGED = "fetch.weights.changed"
    FETCH_CONSUME_PAUSED = "fetch.consume.paused"
    FETCH_CONSUME_RESUMED = "fetch.consume.resumed"

    # Publishing, relay, recorder.
    PUBLISH_BATCH_STOP = "publish.batch.stop"
    PUBLISH_BATCH_FAILED = "publish.batch.failed"
    RELAY_SWEEP_STOP = "relay.sweep.stop"
    RELAY_SWEEP_FAILED = "relay.sweep.failed"
    DEAD_RECORD_DONE = "dead.record.done"
    DEAD_RECORD_FAILED = "dead.record.failed"
    FAILURE_REPLAY_DONE = "failure.replay.done"
    FAILURE_DROP_DONE = "failure.drop.done"
    JOB_END_DONE = "job.end.done"
    JOB_WORK_FAILED = "job.work.failed"
    PEAK_CHANGE_DONE = "peak.change.done"
    PEAK_GUARD_BROKEN = "peak.guard.broken"
    PEAK_KEEP_FAILED = "peak.keep.failed"
    SETTLEMENT_RECONCILE_DONE = "settlement.reconcile.done"
    SETTLEMENT_RECONCILE_FAILED = "settlement.reconcile.failed"

    # The console.
    CONSOLE_REQUEST_FAILED = "console.request.failed"

    # Alerts: what is wrong, and who was told.
    ALERT_LOOK_FAILED = "alert.look.failed"
    ALERT_TELL_DONE = "alert.tell.done"
    ALERT_SEND_DONE = "alert.send.done"
    ALERT_SEND_FAILED = "alert.send.failed"

    # What everything stands on.
    BROKER_CONNECTION_LOST = "broker.connection.lost"
    BROKER_CONNECTION_RESTORED = "broker.connection.restored"
    BROKER_ALARM_SEEN = "broker.alarm.seen"
    BROKER_ALARM_CLEARED = "broker.alarm.cleared"
    LEDGER_WRITE_RETRIED = "ledger.write.retried"
    LEDGER_WRITE_FAILED = "ledger.write.failed"
    TOPOLOGY_DECLARE_DONE = "topology.declare.done"
    TOPOLOGY_DRIFT_SEEN = "topology.drift.seen"
    WORKER_START_DONE = "worker.start.done"
    WORKER_STOP_DONE = "worker.stop.done"
    WORKER_CHILD_LOST = "worker.child.lost"
    TELEMETRY_LISTEN_FAILED = "telemetry.listen.failed"
