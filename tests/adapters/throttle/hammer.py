"""A worker process of the live tests: takes permits as fast as it may and prints the moments it was granted one."""

import json
import sys
import threading
import time

from adapters.throttle.base import Granted, Limit, Throttle
from adapters.throttle.fallback import FallbackThrottle
from adapters.throttle.redis import RedisThrottle, connect

# A burst of a fifth of a second, so that a busy machine that stalls a worker for less costs no allowance.
LIMIT = Limit(rate_per_s=200, burst=40, concurrency=6, safe_share=0.25)
PROBE_S = 0.3


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def hold(throttle: Throttle) -> None:
    """Take every lease and keep it until killed."""
    while isinstance(throttle.acquire(), Granted):
        pass
    report("holding")
    threading.Event().wait(60)


def run(throttle: Throttle, seconds: float) -> None:
    """Say ready, wait for the word that all are, then take and release for ``seconds``."""
    rest, grants = threading.Event(), list[float]()
    report("ready")
    sys.stdin.readline()
    end = time.time() + seconds
    while time.time() < end:
        answer = throttle.acquire()
        if isinstance(answer, Granted):
            grants.append(time.time())
            throttle.release(answer)
        else:
            rest.wait(answer.wait_s)
    report(json.dumps(grants))


def main(url: str, verb: str, seconds: str) -> None:
    shared = RedisThrottle(connect(url), "books", LIMIT)
    if verb == "hold":
        hold(shared)
    elif verb == "run":
        run(shared, float(seconds))
    else:
        outliving = FallbackThrottle(shared, LIMIT, account="books", notify=lambda _: None, probe_s=PROBE_S)
        run(outliving, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
