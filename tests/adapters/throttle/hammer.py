"""A worker process of the live tests: takes permits as fast as it may for a while, and prints how many it was
granted.
"""

import sys
import threading
import time

from adapters.throttle.base import Granted, Limit
from adapters.throttle.redis import RedisThrottle, connect


def report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(url: str, verb: str, begin_at: float, seconds: float) -> None:
    throttle = RedisThrottle(connect(url), "books", Limit(rate_per_s=200, burst=10, concurrency=6))
    if verb == "hold":
        for _ in range(6):
            throttle.acquire()
        report("holding")
        threading.Event().wait(60)
        return
    rest = threading.Event()
    rest.wait(max(0.0, begin_at - time.time()))
    count, most = 0, 0
    while time.time() < begin_at + seconds:
        answer = throttle.acquire()
        if isinstance(answer, Granted):
            count += 1
            most = max(most, len(throttle.held()))
            throttle.release(answer)
        else:
            rest.wait(answer.wait_s)
    report(f"{count} {most}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
