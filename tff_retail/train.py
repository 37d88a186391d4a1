"""Trains one recogniser over the photographs of all stores, which never leave them.

  python -m tff_retail.train --data_dir=chain --output_dir=runs/first
  python -m tff_retail.train --flagfile=prod.flags --data_dir=chain

The chain is a folder of stores: <data_dir>/<store>/<label>/*.jpg. Started again with the same
flags, a run that was stopped goes on where it was.
"""

import sys
from typing import Any

from tff_retail import flags
from tff_retail.config import ConfigurationError, RunConfig

flags.define_run_flags()


def main(arguments: list[str]) -> int:
    """Runs what the flags say. Returns the exit code."""
    if arguments:
        raise ConfigurationError(f"train takes flags only, found {arguments[0]!r}; see --help")
    return train(flags.run_config_from_flags())


def when_stopped() -> str:
    """What to say where a signal ended the run."""
    return (
        f"stopped; what is done is kept in {flags.FLAGS.output_dir}: start the same command again "
        "to go on"
    )


def train(config: RunConfig) -> int:
    """Runs a configuration, tells its result or what stopped it. Returns the exit code."""
    from tff_retail.program.run import run
    from tff_retail.program.run_approval import NotApproved
    from tff_retail.runtime.ray_workers import WorkersLost
    from tff_retail.runtime.store import QuorumMissed

    try:
        summary = run(config)
    except (QuorumMissed, NotApproved, WorkersLost) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(result_text(config, summary))
    return 0


def result_text(config: RunConfig, summary: dict[str, Any]) -> str:
    """The table at the end of a run."""
    from tff_retail.program.result_table import result_table

    paths = {"model": f"{config.output_dir}/model", "curves": f"{config.output_dir}/curves.png"}
    if summary["eval_accuracy"] is None:
        return "\n".join(f"{name:6}  {path}" for name, path in paths.items())
    if config.data.eval_dir or not config.data.is_remote:
        paths["predictions"] = f"{config.output_dir}/predictions.png"
    own = f"the photographs of {config.data.eval_dir}" if config.data.eval_dir else None
    return result_table(
        federated=summary["eval_accuracy"],
        central=summary.get("central_accuracy"),
        local=summary.get("local_accuracy"),
        paths=paths,
        **({"measured_on": own} if own else {}),
    )


if __name__ == "__main__":
    flags.run_main(main, when_stopped=when_stopped)
