"""Measures and steers process trees through /proc: CPU seconds, resident memory, freeze and thaw, a bounded end."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(*roots: int) -> list[int]:
    """Pids of the roots and all that descend from them, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(roots)
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def cpu_s(roots: Iterable[int]) -> float:
    """CPU seconds the trees have used since their start, dead children that were waited for included."""
    ticks = 0
    for pid in tree(*roots):
        if fields := _stat(pid):
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS


def cores_s() -> tuple[float, float]:
    """CPU seconds of all cores since the machine started: worked (by anybody, the host's own part included), and in all."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / _TICKS, sum(ticks) / _TICKS


def rss_mb(roots: Iterable[int]) -> float:
    """Resident memory of the trees in MB (pages shared between forked processes count in each)."""
    return sum(int(fields[21]) for pid in tree(*roots) if (fields := _stat(pid))) * _PAGE / 1e6


def freeze(roots: Iterable[int]) -> None:
    """Stop the trees where they are, so that a backlog can be laid before warm workers."""
    _signal(tree(*roots), signal.SIGSTOP)


def thaw(roots: Iterable[int]) -> None:
    """Let frozen trees go on."""
    _signal(tree(*roots), signal.SIGCONT)


def kill(roots: Iterable[int]) -> None:
    """Kill the trees where they are: nothing of them gets to say goodbye."""
    _signal(tree(*roots), signal.SIGKILL)


def start(command: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process with its output in ``log`` and ``env`` added to the environment."""
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **env})


def bytecode_beside(folder: Path) -> dict[str, str]:
    """Environment of a process that keeps its bytecode, as one in production does: a boot that compiles is no boot."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def free_port() -> int:
    """A port nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def until_healthy(url: str, process: subprocess.Popen[bytes], log: Path, within_s: float = 30.0) -> None:
    """Wait until ``url`` answers well. Raises RuntimeError with the end of the log if the process does not get there."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"an intake did not come up:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.1)


def end(processes: Iterable[subprocess.Popen[bytes]], within_s: float = 10.0) -> None:
    """Ask each process to end, and kill what is left of its tree when the time is over."""
    running = [process for process in processes if process.poll() is None]
    pids = tree(*(process.pid for process in running))
    thaw(process.pid for process in running)
    for process in running:
        process.terminate()
    deadline = time.monotonic() + within_s
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue
    _signal([pid for pid in pids if _same(pid, running)], signal.SIGKILL)
    for process in running:
        process.wait()


def _same(pid: int, running: Sequence[subprocess.Popen[bytes]]) -> bool:
    roots = {process.pid: process for process in running}
    return roots[pid].poll() is None if pid in roots else bool((fields := _stat(pid)) and fields[0] != "Z")


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on (field 3 of proc(5)); empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
