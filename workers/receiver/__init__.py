"""Runs the receiver: takes webhooks, answers 2xx once they are committed, and sends word of them to the workers.

The way of a request: `app` finds the door of its source, reads the body within its bounds, has the channel verify and name it,
and waits for the `committer`, which commits everything that came in meanwhile at once. What was committed the `announcer`
publishes; what the broker confirmed `tasks/marking.py` notes. Only the commit is waited for: the relay covers for the rest.
"""

from workers.receiver.connection import Bounds
from workers.receiver.doors import Door, Intake, classify_by, doors_of
from workers.receiver.server import serve

__all__ = ["Bounds", "Door", "Intake", "classify_by", "doors_of", "serve"]
