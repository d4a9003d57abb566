"""The end of a process that served: nothing is left undone, and no thread of the server meets a half-taken-apart interpreter."""

import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.live import wait_until
from workers.local.service import free_port

MILLRACE = str(Path(sys.executable).parent / "millrace")
PROGRAM = """
import atexit
from workers.leaving import leave
class Kept:
    def __del__(self):
        print("taken apart")
kept = Kept()
atexit.register(print, "done at exit")
print("worked")
leave(3)
"""


def test_what_is_to_be_done_at_exit_is_done_and_then_the_process_is_gone() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=60)

    assert (ended.stdout, ended.stderr, ended.returncode) == ("worked\ndone at exit\n", "", 3)


@pytest.mark.live
def test_of_many_servers_that_are_told_to_stop_none_panics(tmp_path: Path) -> None:
    ports = [free_port() for _ in range(8)]
    started = [
        subprocess.Popen(
            [MILLRACE, "sandbox", "--port", str(port), "--log", str(tmp_path / f"{port}.jsonl")],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for port in ports
    ]  # fmt: skip
    try:
        for port in ports:
            wait_until(partial(answers, port), 60, "the sandbox answers")
        for process in started:
            process.terminate()
        ended = [(process.communicate(timeout=30)[0], process.returncode) for process in started]
    finally:
        for process in started:
            process.kill()

    assert [(told, code) for told, code in ended if "panic" in told or code] == []


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
