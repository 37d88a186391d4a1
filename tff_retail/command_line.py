"""How an entry point begins and ends: flag files, help, signals and exit codes.

A wrong setting becomes one sentence and exit code 2. The first Ctrl-C or SIGTERM ends the work
and leaves through every `finally`; the second ends the process at once. So does the time, where a
library's thread (a download that is tried again, say) would hold it up.
"""

import os
import pathlib
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from types import FrameType

from absl import flags, logging

from tff_retail.config import ConfigurationError

FLAGS = flags.FLAGS

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_NO_READER = 141
EXIT_TERMINATED = 143

_STOPPING = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}
_TRY_AGAIN_S = 0.05
# After its `finally` blocks nothing that a stopped command still does is of use.
_FAREWELL_S = 5.0
_CONFIGS = pathlib.Path(__file__).resolve().parent.parent / "configs"
_HELP = ("--help", "-help", "-h", "--helpshort")


def run_main(
    main: Callable[[list[str]], int | None], *, when_stopped: Callable[[], str] | None = None
) -> None:
    """Parses the flags, calls `main` with what is left and exits with what it returns.

    A `ConfigurationError` and a wrong flag become one sentence and exit code 2; Ctrl-C becomes
    exit code 130 and SIGTERM 143.

    Args:
      main: of the entry point.
      when_stopped: what to say where a signal stopped it.
    """
    code = _exit_code(main, sys.argv, when_stopped)
    if code in _STOPPING.values():
        _leave_in_time(code)
    sys.exit(code)


def _leave_in_time(code: int) -> None:
    """Ends the process soon, whatever threads Python waits for at its end."""

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    timer = threading.Timer(_FAREWELL_S, leave)
    timer.daemon = True
    timer.start()


def _exit_code(
    main: Callable[[list[str]], int | None],
    argv: list[str],
    when_stopped: Callable[[], str] | None,
) -> int:
    received = _interrupt_on_signals()
    try:
        if any(argument in _HELP for argument in argv[1:]):
            print(help_text(sys.modules["__main__"].__doc__ or ""), flush=True)
            return 0
        rest = FLAGS(_with_configs(argv))
        logging.set_verbosity(logging.INFO if FLAGS.verbosity > 0 else logging.ERROR)
        return main(rest[1:]) or 0
    except (ConfigurationError, flags.Error) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:
        # Who read the output has gone, as `| head` does; nor can it be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NO_READER
    except BaseException:
        # A library in the middle of an import may make another error of the interrupt.
        if not received:
            raise
        if when_stopped is not None and FLAGS.is_parsed():
            print(when_stopped(), file=sys.stderr)
        return _STOPPING[signal.Signals(received[0])]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _interrupt_on_signals() -> list[int]:
    """Makes the first signal an interrupt; the list gets its number then."""
    received: list[int] = []
    complain = sys.unraisablehook

    def stop(signum: int, frame: FrameType | None) -> None:
        if signum in _STOPPING:
            received.append(signum)
            signal.signal(signum, signal.SIG_DFL)
        raise KeyboardInterrupt

    def try_again(lost: "sys.UnraisableHookArgs") -> None:
        if received and issubclass(lost.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, _TRY_AGAIN_S)
        else:
            complain(lost)

    for signum in (*_STOPPING, signal.SIGALRM):
        signal.signal(signum, stop)
    # TensorFlow's tracing makes and drops thousands of objects, and what is raised in a
    # destructor is lost: it is raised once more, soon after.
    sys.unraisablehook = try_again
    return received


def _with_configs(argv: Sequence[str]) -> list[str]:
    """`argv` with a bare `--flagfile=NAME` that is not here looked up in configs/.

    Raises:
      ConfigurationError: a flag file is neither here nor there.
    """
    found, arguments = [], iter(argv)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.lstrip("-") != "flagfile" or not name.startswith("-"):
            found.append(argument)
            continue
        found.append(f"--flagfile={_flag_file(value if equals else next(arguments, ''))}")
    return found


def _flag_file(name: str) -> str:
    if pathlib.Path(name).is_file():
        return name
    if pathlib.Path(name).name == name and (_CONFIGS / name).is_file():
        return str(_CONFIGS / name)
    shipped = ", ".join(sorted(path.name for path in _CONFIGS.glob("*.flags")))
    raise ConfigurationError(
        f"--flagfile must be a file, or one of configs/ ({shipped}), found {name!r}"
    )


def help_text(description: str) -> str:
    """The description of an entry point and its flags, its own first, then group by group."""
    lines = [description.strip()]
    for group, defined in sorted(FLAGS.flags_by_module_dict().items(), key=_is_shared):
        if group.startswith("absl.") or not defined:
            continue
        lines += ["", f"{group if _is_shared((group, defined)) else 'Flags'}:"]
        for flag in defined:
            default = "" if flag.default is None else f" (default: {flag.default})"
            lines.append(f"  --{flag.name}")
            text = f"{flag.help}{default}"
            lines += textwrap.wrap(text, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    ending = "  -v=1 brings back what TensorFlow says; --flagfile=FILE reads flags."
    return "\n".join([*lines, "", ending])


def _is_shared(item: tuple[str, list[flags.Flag]]) -> bool:
    """Whether flags are of a named group (`flags.py`) and not of the entry point itself."""
    return not (item[0].endswith(".py") or "tff_retail" in item[0])
