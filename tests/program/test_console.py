"""What a run writes to a terminal, to a pipe, and to an output that knows only ASCII."""

import datetime
import io

import pytest

from tff_retail.program.console import PlainConsole, TerminalConsole, open_console
from tff_retail.program.round_line import RoundLine

LINE = RoundLine(round_num=1, rounds=2, stores_done=3, stores_asked=3, train_loss=0.5, eta_s=60.0)
LAST = RoundLine(round_num=2, rounds=2, stores_done=3, stores_asked=3, eta_s=0.0)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def _noon() -> datetime.datetime:
    return datetime.datetime(2026, 3, 1, 12, 0)


def test_a_bar_only_where_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_console(_Terminal()), TerminalConsole)
    assert isinstance(open_console(io.StringIO()), PlainConsole)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_console(_Terminal()), PlainConsole)


def test_plain_lines_and_nothing_else() -> None:
    stream = io.StringIO()
    console = PlainConsole(stream, clock=_Clock(), now=_noon)
    console.say("two\nlines")
    for done in range(4):
        console.progress("preparing photographs", done, 3)
    console.round_started(1, 2)
    for done in range(4):
        console.store_done(done, 3)
    console.round_finished(LINE)
    console.round_finished(LAST)
    console.close()
    assert stream.getvalue() == (
        "two\nlines\n"
        "round 1/2 | 3/3 stores | train loss 0.500 | 60 s left, ends 12:01\n"
        "round 2/2 | 3/3 stores\n"
    )


def test_a_long_wait_shows_in_a_plain_line_now_and_then() -> None:
    stream, clock = io.StringIO(), _Clock()
    console = PlainConsole(stream, clock=clock, now=_noon)
    for done in range(5):
        console.progress("preparing photographs", done, 5)
        clock.seconds += 20
    console.round_started(4, 9)
    console.store_done(1, 3)
    clock.seconds += 20
    console.store_done(2, 3)
    assert stream.getvalue().splitlines() == [
        "preparing photographs: 2/5",
        "preparing photographs: 4/5",
        "round 4/9: 2/3 stores",
    ]


def test_the_terminal_shows_lines_above_the_bar_and_no_bar_after_close() -> None:
    stream, clock = _Terminal(), _Clock()
    console = TerminalConsole(stream, clock=clock, now=_noon)
    console.say("hello")
    console.progress("preparing photographs", 1, 2)
    console.progress("preparing photographs", 2, 2)
    console.round_started(1, 2)
    console.store_done(3, 3)
    console.round_finished(LINE)
    console.close()
    console.close()
    console.say("done")
    shown = stream.getvalue()
    assert "preparing photographs  50%" in shown
    assert "round 1/2  50%" in shown and "3/3 stores" in shown
    assert "round 2/2  50%" in shown and "60 s left, ends 12:01" in shown
    lines = [line.rsplit("\r", 1)[-1] for line in shown.split("\n")]
    assert lines == [
        "hello",
        "round 1/2 | 3/3 stores | train loss 0.500",
        "done",
        "",
    ]


def test_frames_that_nobody_could_see_are_not_drawn() -> None:
    stream, clock = _Terminal(), _Clock()
    console = TerminalConsole(stream, clock=clock, now=_noon)
    console.progress("preparing photographs", 0, 100_000)
    before = len(stream.getvalue())
    for done in range(1, 1000):
        console.progress("preparing photographs", done, 100_000)
    assert len(stream.getvalue()) == before
    clock.seconds = 1.0
    console.progress("preparing photographs", 50_000, 100_000)
    assert "50%" in stream.getvalue()


@pytest.mark.parametrize("kind", [PlainConsole, TerminalConsole])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_any_name_on_any_output(kind: type, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = kind(stream)
    console.say("上海 \udcff \x1b[31m red")
    console.round_started(1, 2)
    console.store_done(1, 2)
    console.round_finished(
        RoundLine(
            round_num=1,
            rounds=2,
            stores_done=1,
            stores_asked=2,
            eval_loss=1.0,
            worst_store="上\n海",
        )
    )
    console.close()
    text = raw.getvalue().decode(encoding)
    shanghai = "上海" if encoding == "utf-8" else r"\u4e0a\u6d77"
    assert text.startswith(f"{shanghai}    [31m red\n")
    assert "eval loss 1.000, worst " in text
