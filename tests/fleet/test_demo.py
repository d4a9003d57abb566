"""The demo as a person runs it: a whole fleet in a process of its own, its answer on stdout, and nothing left afterwards."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.fleet, pytest.mark.timeout(300)]

MILLRACE = Path(sys.executable).with_name("millrace")
KEYS = {"accepted", "posted", "duplicates", "parked", "refused", "lost", "doubled", "seconds"}
UP_S = 120


def test_a_small_sale_passes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with _demo(tmp_path, "--orders", "40", "--json", "--limit-s", "150") as demo:
        told, progress = demo.communicate(timeout=280)

    report = json.loads(told)
    assert demo.returncode == 0, progress
    assert report.keys() >= KEYS
    assert report["lost"] == report["doubled"] == 0
    assert report["problems"] == []
    assert report["posted"] >= 40
    assert report["refused"] == 10
    assert report["duplicates"] >= 20
    assert report["totals"]["agree"] is True
    assert report["repeats"]["sent_again_blindly"] == 0
    assert "the ERP is down" in progress
    _assert_nothing_left(tmp_path)


def test_an_interrupt_in_the_middle_ends_everything(tmp_path: Path) -> None:
    with _demo(tmp_path, "--orders", "300", "--no-flower") as demo:
        _wait_until_told(demo, "orders in")
        demo.send_signal(signal.SIGINT)
        told, _ = demo.communicate(timeout=90)

    assert demo.returncode == 130
    assert told == ""
    _assert_nothing_left(tmp_path)


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "somebody-elses").touch()

    done = subprocess.run([MILLRACE, "demo", "--folder", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "not empty" in done.stderr


@contextmanager
def _demo(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command, with ``folder`` for its temporary files."""
    process = subprocess.Popen(
        [MILLRACE, "demo", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def _wait_until_told(demo: subprocess.Popen[str], text: str) -> None:
    assert demo.stderr is not None
    deadline = time.monotonic() + UP_S
    seen = ""
    while text not in seen:
        line = demo.stderr.readline()
        seen += line
        assert line, f"the demo ended: {seen}"
        assert time.monotonic() < deadline, seen


def _assert_nothing_left(folder: Path) -> None:
    """No file in the folder, and no process that was started in it."""
    assert list(folder.iterdir()) == []
    left = [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder) in _text_of(path)]
    assert left == []


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
