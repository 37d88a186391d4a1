"""Headquarters and five stores as processes on this machine: keys, TLS, a store that is killed.

  python -m tff_retail.demo_remote

Makes a fleet, draws the photographs of five synthetic stores, has each join by token, and trains
over them as configs/quickstart.flags says; in between one store is killed with SIGKILL and started
again. Then the same is trained in one process, with its baselines, and the two models are compared
bit for bit. All of it lies in --output_dir (runs/demo_remote), which is made anew each time; no
process is left behind. Flags of tff_retail.train can be added; they hold for both runs.
"""

import pathlib
import sys
from typing import TYPE_CHECKING

from tff_retail import flags
from tff_retail.config import ConfigurationError
from tff_retail.shelf_flags import define_shelf_flags, draw_synthetic_stores

if TYPE_CHECKING:
    from tff_retail.program.remote_demo import DemoPlan, DemoResult

_BEFORE = set(flags.FLAGS)
flags.define_run_flags()
_OF_RUNS = set(flags.FLAGS) - _BEFORE
define_shelf_flags()

_DATA_DIR = "data/quickstart"
# What the demonstration decides itself, for each run as it must be.
_OWN = {
    *("data_dir", "output_dir", "stores", "compare_central", "compare_local"),
    *("listen_address", "fleet_dir", "manifest_key", "wait_for_stores_s", "rejoin_wait_s"),
    *("min_available_stores", "metrics_address", "engine"),
}


def main(arguments: list[str]) -> int:
    """Runs the demonstration. Returns the exit code."""
    from tff_retail.program.child_commands import ChildFailed
    from tff_retail.program.console import open_console
    from tff_retail.program.remote_demo import RemoteDemo

    if arguments:
        raise ConfigurationError(
            f"demo_remote takes flags only, found {arguments[0]!r}; see --help"
        )
    values = flags.FLAGS
    if values.data_dir == _DATA_DIR:
        draw_synthetic_stores(_DATA_DIR)
    console = open_console()
    try:
        result = RemoteDemo(_plan(), console).run()
    except ChildFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        console.close()
    print(_result_text(result))
    return 0 if result.is_same or result.missed else 1


def when_stopped() -> str:
    """What to say where a signal ended it."""
    return "stopped, and every process with it; started again it begins anew"


def _plan() -> "DemoPlan":
    from tff_retail.program.remote_demo import DemoPlan

    values = flags.FLAGS
    given = (values[name] for name in sorted(_OF_RUNS - _OWN))
    return DemoPlan(
        folder=pathlib.Path(values.output_dir),
        data_dir=pathlib.Path(values.data_dir),
        run_flags=[flag.serialize() for flag in given if flag.present],
        store_flags=[f"--device={values.device}", f"--threads={values.intra_op_threads}"],
        rounds=values.rounds,
    )


def _result_text(result: "DemoResult") -> str:
    """The table, and what became of the store that was killed."""
    from tff_retail.program.result_table import result_table

    table = result_table(
        federated=result.remote["eval_accuracy"],
        central=result.simulated["central_accuracy"],
        local=result.simulated["local_accuracy"],
        paths=result.paths,
    )
    return "\n".join([table, "", *_comparison(result)])


def _comparison(result: "DemoResult") -> list[str]:
    if result.killed is None:
        lines = ["no store was killed: the rounds were over too soon"]
    else:
        name, round_num = result.killed
        lines = [f"{name} was killed in round {round_num} and came back"]
    if result.missed:
        missed = "; ".join(result.missed)
        return [*lines, f"missed: {missed}: no comparison with the run in one process"]
    same = "the same" if result.is_same else "NOT the same"
    return [*lines, f"nothing was missed; the model is {same}, bit for bit, as in one process"]


if __name__ == "__main__":
    # First on the command line, so that whatever a user adds wins. Five stores on one GPU would
    # only be in each other's way.
    sys.argv[1:1] = [
        "--flagfile=quickstart.flags",
        f"--data_dir={_DATA_DIR}",
        "--output_dir=runs/demo_remote",
        "--device=cpu",
    ]
    flags.run_main(main, when_stopped=when_stopped)
