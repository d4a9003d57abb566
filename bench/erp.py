"""Runs the ERP stub as a process and reads its log: the one witness of what was posted, and how often."""

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from bench import erp_log, processes
from bench.erp_log import Change, Request
from bench.limits import Limits


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
        self._requests: list[Request] = []
        self._changes: list[Change] = []

    @property
    def pid(self) -> int:
        return self._process.pid

    def limit(self, limits: Limits) -> None:
        """Change the limits while it runs."""
        request = urllib.request.Request(f"{self.url}/_limits", json.dumps(asdict(limits)).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=5):
            pass

    def requests(self) -> list[Request]:
        """All requests so far, look-ups and refusals too, in the order of their answers."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        requests, changes = erp_log.parse(whole)
        self._requests += requests
        self._changes += changes
        return self._requests

    def changes(self) -> list[Change]:
        """The limits it began with and every change of them."""
        self.requests()
        return self._changes

    def postings(self) -> list[Request]:
        """Orders accepted so far, each as often as it was posted."""
        return [one for one in self.requests() if one.posted]

    def wait_for(self, keys: set[str], within_s: float) -> bool:
        """Wait until every key was accepted; False when the time is over first."""
        deadline = time.monotonic() + within_s
        missing, seen = set(keys), 0
        while True:
            requests = self.requests()
            missing.difference_update(one.key for one in requests[seen:] if one.posted)
            seen = len(requests)
            if not missing:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)

    def verdict(self, keys: set[str], left: Collection[str] = ()) -> str:
        """Empty when each key was accepted exactly once, or never and is still ``left`` with the contender; else the fault."""
        times = Counter(one.key for one in self.postings())
        waiting = set(left)
        lost = sum(key not in times and key not in waiting for key in keys)
        doubled = sum(times[key] > 1 for key in keys)
        return "" if not lost and not doubled else f"{lost} lost, {doubled} doubled of {len(keys)}"

    def stop(self) -> None:
        processes.end([self._process])
        if self._process.stdout:
            self._process.stdout.close()
