"""A whole run: a configuration in, a run directory with a model out."""

import pathlib
from typing import Any

from tff_retail.config import RunConfig
from tff_retail.program.console import RoundConsole, open_console
from tff_retail.program.disk_room import explaining_full_disk
from tff_retail.program.model_delivery import deliver_finished
from tff_retail.program.remote_run import RemoteRun
from tff_retail.program.run_directory import RunDirectory
from tff_retail.program.simulated_run import SimulatedRun
from tff_retail.program.start_check import check_before_start


def run(config: RunConfig, *, console: RoundConsole | None = None) -> dict[str, Any]:
    """Trains a recogniser federatedly, or goes on where a run was stopped.

    Args:
      config: of the run; `config.output_dir` gets everything that comes out.
      console: told what happens; standard output when None.

    Returns:
      What `<output_dir>/summary.json` says.

    Raises:
      ConfigurationError: a setting, a folder or the data breaks its rule.
      QuorumMissed: too few stores gave a result, or were there, again and again.
      WorkersLost: with `--engine=ray`, the cluster lost its workers, again and again.
    """
    console = console or open_console()
    check_before_start(config)
    directory = RunDirectory(pathlib.Path(config.output_dir), config)
    try:
        if directory.is_finished:
            console.say(f"{directory.path} holds a finished run; nothing to do")
            if config.data.is_remote:
                deliver_finished(config, directory, console)
            return directory.read_json("summary.json")
        kind = RemoteRun if config.data.is_remote else SimulatedRun
        with explaining_full_disk(directory.path):
            return kind(config, directory, console).run()
    finally:
        console.close()
        directory.close()
