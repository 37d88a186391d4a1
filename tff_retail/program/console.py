"""What a run says while it goes on: a line a round, and a progress bar where there is a terminal.

Where there is none (a log file, a pipe, a notebook) no line is ever written over: long waits
show in a line now and then instead.
"""

import datetime
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from tff_retail.program.round_line import RoundLine

if TYPE_CHECKING:
    from tqdm import tqdm

# Between two lines about work that is under way: seldom enough for a log, often enough to see
# that nothing hangs.
_HEARTBEAT_S = 30.0
# Ten frames a second look smooth; thousands of cached photographs a second need not be drawn.
_FRAME_S = 0.1
# The bar counts rounds, a round's stores being its fractions.
_BAR_FORMAT = "{desc} {percentage:3.0f}% |{bar}|{postfix}"


class RoundConsole(Protocol):
    """Where a run says what it does."""

    def say(self, text: str) -> None:
        """Writes one or more whole lines."""

    def progress(self, what: str, done: int, total: int) -> None:
        """How far `what` is, such as `preparing photographs`; `done == total` ends it."""

    def round_started(self, round_num: int, rounds: int) -> None:
        """A round begins, counted from 1."""

    def store_done(self, done: int, asked: int) -> None:
        """`done` of the `asked` stores of the round under way have finished."""

    def round_finished(self, line: RoundLine) -> None:
        """Writes the round's line."""

    def close(self) -> None:
        """Takes the progress bar away; may be called twice."""


def open_console(stream: TextIO | None = None) -> RoundConsole:
    """A console on `stream`, standard output when None, with a progress bar on a terminal."""
    stream = stream or sys.stdout
    is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    return TerminalConsole(stream) if is_terminal else PlainConsole(stream)


class PlainConsole:
    """Whole lines only."""

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        """Writes to `stream`; `clock` (seconds) and `now` (local time) tell the time."""
        self._stream = stream
        self._clock = clock
        self._now = now
        self._last_line_s = clock()
        self._round = ""

    def say(self, text: str) -> None:
        """Writes one or more whole lines."""
        print(_writable(text, self._stream), file=self._stream, flush=True)
        self._last_line_s = self._clock()

    def progress(self, what: str, done: int, total: int) -> None:
        """Says how far `what` is, now and then."""
        self._heartbeat(f"{what}: {done}/{total}")

    def round_started(self, round_num: int, rounds: int) -> None:
        """Nothing to say: the round's line comes when it is finished."""
        self._round = f"round {round_num}/{rounds}"

    def store_done(self, done: int, asked: int) -> None:
        """Says how many stores have finished, now and then."""
        if done < asked:
            self._heartbeat(f"{self._round}: {done}/{asked} stores")

    def round_finished(self, line: RoundLine) -> None:
        """Writes the round's line and the estimated end."""
        end = line.estimated_end(self._now())
        self.say(_on_one_line(f"{line.text()} | {end}" if end else line.text()))

    def close(self) -> None:
        """Nothing to take away."""

    def _heartbeat(self, text: str) -> None:
        if self._clock() - self._last_line_s >= _HEARTBEAT_S:
            self.say(text)


class TerminalConsole:
    """Lines above a progress bar that stays on the last line of the terminal."""

    def __init__(
        self,
        stream: TextIO,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        """Writes to `stream`; `clock` (seconds) and `now` (local time) tell the time."""
        self._stream = stream
        self._clock = clock
        self._now = now
        self._next_frame_s = 0.0
        self._bar: tqdm | None = None
        self._round_num, self._rounds = 1, 1
        self._end = ""

    def say(self, text: str) -> None:
        """Writes one or more whole lines above the bar."""
        text = _writable(text, self._stream)
        if self._bar is None:
            print(text, file=self._stream, flush=True)
        else:
            self._bar.write(text, file=self._stream)

    def progress(self, what: str, done: int, total: int) -> None:
        """Shows how far `what` is."""
        if done >= total:
            self.close()
        elif self._is_frame_due():
            self._show(what, done, total, f"{done}/{total}")

    def round_started(self, round_num: int, rounds: int) -> None:
        """Shows the round."""
        self._round_num, self._rounds = round_num, rounds
        self._show(self._name(), round_num - 1, rounds, self._end)

    def store_done(self, done: int, asked: int) -> None:
        """Shows how many stores have finished, and moves the bar by a part of the round."""
        if done >= asked or self._is_frame_due():
            position = self._round_num - 1 + done / max(asked, 1)
            text = ", ".join(part for part in (f"{done}/{asked} stores", self._end) if part)
            self._show(self._name(), position, self._rounds, text)

    def round_finished(self, line: RoundLine) -> None:
        """Writes the round's line above the bar, which shows the estimated end."""
        self.say(_on_one_line(line.text()))
        self._round_num, self._rounds = min(line.round_num + 1, line.rounds), line.rounds
        self._end = line.estimated_end(self._now())
        self._show(self._name(), line.round_num, line.rounds, self._end)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _is_frame_due(self) -> bool:
        return self._bar is None or self._clock() >= self._next_frame_s

    def _name(self) -> str:
        return f"round {self._round_num}/{self._rounds}"

    def _show(self, name: str, position: float, total: int, text: str) -> None:
        if self._bar is None:
            self._bar = _bar(self._stream)
        self._next_frame_s = self._clock() + _FRAME_S
        # One column less: a full line would make some terminals begin the next.
        self._bar.ncols = shutil.get_terminal_size().columns - 1
        self._bar.total = max(total, 1)
        self._bar.n = min(position, self._bar.total)
        self._bar.set_description_str(name, refresh=False)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.refresh()


def _bar(stream: TextIO) -> "tqdm":
    import tqdm

    class Bar(tqdm.tqdm):
        # No thread that watches bars, and no lock between processes: this one process draws.
        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    # Where a terminal claims no height, as in a container, tqdm would find no room for a bar.
    return Bar(total=1, file=stream, leave=False, nrows=20, ncols=80, bar_format=_BAR_FORMAT)


def _on_one_line(text: str) -> str:
    return text.replace("\n", " ")


def _writable(text: str, stream: TextIO) -> str:
    """`text` without what `stream` can't encode and without what would steer the terminal."""
    shown = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    encoding = stream.encoding or "utf-8"
    return shown.encode(encoding, errors="backslashreplace").decode(encoding)
