"""What the dramatiq workers load: the actor and the table."""

from bench.peers import in_threads
from bench.peers.dramatiq_threads.app import broker, order

in_threads.create_table()

__all__ = ["broker", "order"]
