"""Shows the sale on stderr: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workers.demo.watch import Snapshot

_EVERY_S = 2.0
_BAR = 40


class Screen:
    """Progress for people. ``say`` tells one thing that happens, ``show`` how everything stands."""

    def __init__(self, rate_per_s: float, began: float) -> None:
        """``began`` is where its clock starts (monotonic)."""
        self._rate = rate_per_s
        self._console = Console(file=sys.stderr, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal else None
        self._began = began
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(Text(f"{self._passed_s():5.1f} s  {text}"), soft_wrap=True)

    def show(self, now: Snapshot, expected: int) -> None:
        """The newest state; on a terminal in place, else a line every two seconds."""
        if self._live:
            self._live.update(self._table(now, expected), refresh=True)
        elif time.monotonic() - self._shown_at >= _EVERY_S:
            self._shown_at = time.monotonic()
            self.say(self._line(now))

    def clear(self) -> None:
        """Take the live table away."""
        if self._live:
            self._live.update(Text(""), refresh=True)

    def _line(self, now: Snapshot) -> str:
        waiting = ", ".join(f"{cls} {now.waiting.get(cls, 0)}" for cls in ("high", "normal", "low"))
        return (
            f"accepted {now.accepted}  posted {now.posted}  waiting {waiting}  ERP {now.erp_per_s}/{self._rate:.0f} per s"
            f"  parked {now.parked}  retrying {now.retrying}"
        )

    def _table(self, now: Snapshot, expected: int) -> Group:
        table = Table.grid(padding=(0, 2))
        table.add_row("accepted", f"{now.accepted}", f"sent again by the senders: {now.sent_again}")
        table.add_row("posted", f"{now.posted}", ProgressBar(total=max(expected, 1), completed=now.posted, width=_BAR))
        for cls in ("high", "normal", "low"):
            count = now.waiting.get(cls, 0)
            table.add_row(f"waiting {cls}", f"{count}", Text("▇" * min(_BAR, -(-count // 10)), style="yellow"))
        used = ProgressBar(total=self._rate, completed=min(now.erp_per_s, self._rate), width=_BAR)
        table.add_row("ERP", f"{now.erp_per_s}/{self._rate:.0f} per s", used)
        table.add_row("retrying", f"{now.retrying}", f"429 answers: {now.throttled}")
        table.add_row("parked", f"{now.parked}", "")
        return Group(Text(f"{self._passed_s():5.1f} s", style="dim"), table)

    def _passed_s(self) -> float:
        return time.monotonic() - self._began
