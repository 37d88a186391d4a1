"""How every entry point ends: one sentence, an exit code, no traceback."""

import os
import pathlib
import signal
import subprocess
import sys
import types

import pytest
from absl.testing import flagsaver

import tff_retail.train  # noqa: F401 - defines the flags of a run
from tff_retail import command_line, flags
from tff_retail.config import ConfigurationError

_CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"
# A store's, which test_store.py reads: no flags of a run.
_OF_RUNS = sorted(path for path in _CONFIGS.glob("*.flags") if path.name != "store.flags")


@pytest.fixture
def exit_of(monkeypatch, capsys):
    """Runs an entry point with arguments: its exit code and what it wrote."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    handlers = {signum: signal.getsignal(signum) for signum in signals}
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(command_line, "_leave_in_time", lambda code: None)  # it would end the tests

    def run(main, *arguments: str, **options) -> tuple[int, str, str]:
        flags.FLAGS.unparse_flags()
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        with pytest.raises(SystemExit) as ended:
            command_line.run_main(main, **options)
        written = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, written.out, written.err

    with flagsaver.flagsaver():
        yield run
    for signum, handler in handlers.items():
        signal.signal(signum, handler)


def _nothing(arguments: list[str]) -> None:
    return None


def test_what_is_no_flag_is_handed_on(exit_of):
    seen = []
    assert exit_of(seen.extend, "a photo.jpg", "--rounds=4", "b")[0] == 0
    assert seen == ["a photo.jpg", "b"]
    assert flags.FLAGS.rounds == 4


def test_the_exit_code_is_what_main_returns(exit_of):
    assert exit_of(_nothing)[0] == 0
    assert exit_of(lambda arguments: 3)[0] == 3


@pytest.mark.parametrize(
    "argument, sentence",
    [
        ("--rouns=3", "Unknown command line flag 'rouns'. Did you mean: round_deadline_s, rounds"),
        ("--rounds=many", "flag --rounds=many: invalid literal for int() with base 10: 'many'"),
        ("--model=vgg", "flag --model=vgg: value should be one of <mobilenet_v2|resnet18|resnet34"),
        ("--flagfile=prod.flag", "--flagfile must be a file, or one of configs/ ("),
        ("--flagfile", "--flagfile must be a file, or one of configs/ ("),
    ],
)
def test_a_wrong_flag_is_one_sentence(exit_of, argument, sentence):
    code, out, err = exit_of(_nothing, argument)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {sentence}")
    assert err.count("\n") == 1


def test_a_wrong_setting_is_one_sentence(exit_of):
    def main(arguments: list[str]) -> None:
        raise ConfigurationError("--rounds must be\n  at least 1")

    assert exit_of(main) == (2, "", "error: --rounds must be at least 1\n")


def test_our_own_fault_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])

    def main(arguments: list[str]) -> None:
        raise ValueError("ours")

    with flagsaver.flagsaver(), pytest.raises(ValueError, match="ours"):
        command_line.run_main(main)


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_through_finally(exit_of, signum, code):
    left = []

    def main(arguments: list[str]) -> None:
        try:
            os.kill(os.getpid(), signum)
            signal.pause()
        finally:
            # The next one would end the process at once.
            left.append(signal.getsignal(signum))

    assert exit_of(main) == (code, "", "")
    assert left == [signal.SIG_DFL]


def test_an_interrupt_that_a_library_turned_into_another_error_is_still_one(exit_of):
    def main(arguments: list[str]) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        except KeyboardInterrupt:
            raise ImportError("half an import") from None

    found = exit_of(main, when_stopped=lambda: f"stopped at {flags.FLAGS.rounds}")
    assert found == (130, "", "stopped at 10\n")


def test_an_interrupt_that_a_destructor_swallowed_comes_again(exit_of):
    class Noisy:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(100):  # the handler runs between two steps
                pass

    def main(arguments: list[str]) -> int:
        noisy = Noisy()
        del noisy
        while True:
            signal.pause()

    assert exit_of(main) == (130, "", "")


def test_other_errors_in_destructors_are_shown(exit_of, monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)

    class Broken:
        def __del__(self):
            raise ValueError("ours")

    def main(arguments: list[str]) -> None:
        broken = Broken()
        del broken

    assert exit_of(main)[0] == 0
    assert [str(error.exc_value) for error in shown] == ["ours"]


@pytest.mark.parametrize("spelling", [("--flagfile=prod.flags",), ("--flagfile", "prod.flags")])
def test_a_bare_flag_file_is_looked_up_in_configs(exit_of, monkeypatch, tmp_path, spelling):
    monkeypatch.chdir(tmp_path)
    assert exit_of(_nothing, *spelling)[0] == 0
    assert flags.FLAGS.output_dir == "runs/prod"


def test_a_flag_file_that_is_here_comes_first(exit_of, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prod.flags").write_text("# ours\n--rounds=77\n")
    assert exit_of(_nothing, "--flagfile=prod.flags")[0] == 0
    assert (flags.FLAGS.rounds, flags.FLAGS.output_dir) == (77, "runs/latest")


@pytest.mark.parametrize("path", _OF_RUNS, ids=lambda path: path.name)
def test_each_shipped_flag_file_is_valid_and_says_what_to_expect(exit_of, path):
    assert exit_of(_nothing, f"--flagfile={path.name}", "--data_dir=chain")[0] == 0
    config = flags.run_config_from_flags()
    assert config.data.data_dir == "chain"
    first_line = path.read_text(encoding="utf-8").splitlines()[0]
    assert first_line.startswith("# ") and "Expect" in first_line


def test_help_is_grouped(exit_of, monkeypatch):
    description = types.SimpleNamespace(__doc__="Trains.\n\n  python -m ours\n")
    monkeypatch.setitem(sys.modules, "__main__", description)
    code, out, err = exit_of(_nothing, "--help")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == ["Trains.", "", "  python -m ours"]
    groups = "Photographs Model Learning Rounds Where_it_runs What_comes_out".split()
    positions = [lines.index(f"{group.replace('_', ' ')}:") for group in groups]
    assert positions == sorted(positions)
    assert lines[lines.index("Rounds:") + 1 :][:2] == [
        "  --rounds",
        "      rounds at most; recommended 10 to 50 (default: 10)",
    ]
    assert max(map(len, lines)) <= 100
    assert not any("absl" in line or "logtostderr" in line for line in lines)


def test_whoever_reads_may_leave(exit_of, monkeypatch):
    redirected = []
    monkeypatch.setattr(os, "dup2", lambda new, old: redirected.append(old))
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(fileno=lambda: 1))

    def main(arguments: list[str]) -> None:
        raise BrokenPipeError

    with flagsaver.flagsaver(), pytest.raises(SystemExit) as ended:
        flags.FLAGS.unparse_flags()
        monkeypatch.setattr(sys, "argv", ["train"])
        command_line.run_main(main)
    assert (ended.value.code, redirected) == (141, [1])


_HELD_UP = """
import os, signal, threading
from tff_retail import command_line
command_line._FAREWELL_S = 0.1
def main(arguments):
    threading.Thread(target=threading.Event().wait).start()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait()
command_line.run_main(main)
"""


def test_a_stopped_command_does_not_wait_for_a_thread_that_never_ends():
    command = [sys.executable, "-c", _HELD_UP]
    clone = pathlib.Path(__file__).resolve().parents[1]
    ended = subprocess.run(command, cwd=clone, timeout=60, check=False)
    assert ended.returncode == command_line.EXIT_TERMINATED
