"""Runs the ERP stub as a process and reads its log: the one witness of what was posted, and how often."""

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import processes
from bench.erp_stub import Limits
from bench.orders import FIRST_ID


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of the ERP's log: monotonic seconds, the status it answered, the order's key."""

    at_s: float
    status: int
    key: str


class ErpProcess:
    """The stub in a process of its own; started by construction, ended by ``stop``."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.log = folder / "erp.log"
        command = [sys.executable, "-m", "bench.erp_stub", "--log", str(self.log), "--service-s", str(limits.service_s)]
        command += ["--burst", str(limits.burst)]
        command += ["--rate-per-s", str(limits.rate_per_s)] if limits.rate_per_s is not None else []
        command += ["--at-once", str(limits.at_once)] if limits.at_once is not None else []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        if self._process.stdout is None:
            raise RuntimeError("the ERP stub has no output to read its port from")
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._read = 0
        self._postings: list[Posting] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def limit(self, limits: Limits) -> None:
        """Change the limits while it runs."""
        request = urllib.request.Request(f"{self.url}/_limits", json.dumps(asdict(limits)).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=5):
            pass

    def postings(self) -> list[Posting]:
        """All lines so far, in the ERP's order."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            at_ns, status, key = line.decode().split(" ", 2)
            # an external id may name the source before the order's own key, which is never longer than this
            self._postings.append(Posting(int(at_ns) / 1e9, int(status), key[-len(str(FIRST_ID)) :]))
        return self._postings

    def wait_for(self, keys: set[str], within_s: float) -> bool:
        """Wait until every key was accepted; False when the time is over first."""
        deadline = time.monotonic() + within_s
        missing, seen = set(keys), 0
        while True:
            postings = self.postings()
            missing.difference_update(posting.key for posting in postings[seen:] if posting.status == 200)
            seen = len(postings)
            if not missing:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)

    def verdict(self, keys: set[str]) -> str:
        """Empty when each key was accepted exactly once, else what is wrong."""
        times = Counter(posting.key for posting in self.postings() if posting.status == 200)
        lost = sum(key not in times for key in keys)
        doubled = sum(times[key] > 1 for key in keys)
        return "" if not lost and not doubled else f"{lost} lost, {doubled} doubled of {len(keys)}"

    def stop(self) -> None:
        processes.end([self._process])
        if self._process.stdout:
            self._process.stdout.close()
