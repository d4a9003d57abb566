"""Guards one service: runs it, ends it when told or when its owner is gone, and tidies up after it.

A program of its own (``python -m workers.local.guard OPTIONS -- COMMAND``), so that a service never outlives
a fleet that was killed. If the guard itself is killed, the kernel ends the service.
"""

import argparse
import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from workers.local.process import Process

LOOK_S = 0.1
LOCK_WAIT_S = 10
LOCKED = 75
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the service to its end; its exit status, or 75 if another fleet uses the same folder."""
    options = _parser().parse_args()
    told: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, remember)
    lock = os.open(f"{options.pid_file}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    if not _locked(lock, Path(options.pid_file)):
        sys.stderr.write(f"{options.pid_file}: another fleet is running in this folder\n")
        return LOCKED
    Path(options.pid_file).unlink(missing_ok=True)
    me, owner = Process.of(os.getpid()), Process(options.owner, options.owner_born)
    child = _start(options, lock)
    _note(Path(options.pid_file), f"{child.pid} {me.pid} {me.born}\n")
    while child.poll() is None and not told and owner.alive():
        time.sleep(LOOK_S)
    ended_by_itself = child.poll() is not None
    _end(child, signal.Signals(options.signal), options.grace)
    Path(options.pid_file).unlink(missing_ok=True)
    if options.remove and not ended_by_itself:
        shutil.rmtree(options.remove, ignore_errors=True)
    return child.returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guard")
    parser.add_argument("--owner", type=int, required=True)
    parser.add_argument("--owner-born", type=int, required=True)
    parser.add_argument("--pid-file", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--user")
    parser.add_argument("--signal", type=int, default=int(signal.SIGTERM))
    parser.add_argument("--grace", type=float, default=10)
    parser.add_argument("--remove")
    parser.add_argument("command", nargs="+")
    return parser


def _locked(lock: int, pid_file: Path) -> bool:
    """Take the folder; if the guard that had it was killed, wait a while for its service to end."""
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _guarded(pid_file) or time.monotonic() > deadline:
                return False
            time.sleep(LOOK_S)
        else:
            return True


def _note(pid_file: Path, text: str) -> None:
    """Write the file whole: whoever waits for it never reads it while it is still empty."""
    unfinished = pid_file.with_name(f"{pid_file.name}.new")
    unfinished.write_text(text, encoding="ascii")
    unfinished.replace(pid_file)


def _guarded(pid_file: Path) -> bool:
    """True if the guard that wrote this file is still at work."""
    try:
        _, pid, born = pid_file.read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return False
    return Process(int(pid), int(born)).alive()


def _start(options: argparse.Namespace, lock: int) -> subprocess.Popen[bytes]:
    # the service inherits the lock: it holds even if the guard is killed first
    return subprocess.Popen(
        options.command,
        cwd=options.folder,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(lock,),
        preexec_fn=_settle(options.user, signal.Signals(options.signal)),  # noqa: PLW1509 - one thread
    )


def _settle(user: str | None, ending: signal.Signals) -> Callable[[], None]:
    entry = pwd.getpwnam(user) if user else None
    libc = ctypes.CDLL(None, use_errno=True)

    def settle() -> None:
        if entry:
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        # asked for after the user changed, because that change clears it
        libc.prctl(PR_SET_PDEATHSIG, int(ending))

    return settle


def _end(child: subprocess.Popen[bytes], ending: signal.Signals, grace_s: float) -> None:
    if child.poll() is None:
        child.send_signal(ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(grace_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


if __name__ == "__main__":
    sys.exit(main())
