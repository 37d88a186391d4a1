"""Looks at a store or at headquarters, and says what is wrong and what to do.

    python -m tff_retail.doctor --flagfile=configs/store.flags --data_dir=photographs     a store
    python -m tff_retail.doctor --fleet=fleet --run=runs/first                     headquarters

A store's doctor takes the flags of its daemon, and looks at what they name. Nothing is changed, and
it may run beside the daemon. Each line is ok, a warning (it works, for now) or a problem (it does
not). Exit code 0: no problem; 1: one or more; 2: the command is wrong.
"""

import json
import pathlib

from absl import flags

from tff_retail import store
from tff_retail.command_line import FLAGS, run_main
from tff_retail.config import ConfigurationError
from tff_retail.program.diagnosis import Diagnosis, diagnosis_text, has_problem


def define_flags() -> None:
    """The flags of this command, and those of a store."""
    store.define_flags()
    flags.DEFINE_string("fleet", None, "headquarters: the folder that `fleet init` made")
    flags.DEFINE_string("run", None, "headquarters: the directory of a run to look at too")
    if "json" not in FLAGS:  # `store audit` has it too
        flags.DEFINE_boolean("json", False, "print JSON in place of lines")


def main(arguments: list[str]) -> int:
    """Prints what was found. Returns the exit code."""
    if arguments:
        raise ConfigurationError(f"doctor takes flags alone, found {arguments[0]!r}; see --help")
    diagnoses = _headquarters() if FLAGS.fleet or FLAGS.run else _store()
    if FLAGS.json:
        values = [each.to_json() for each in diagnoses]
        print(json.dumps(values, indent=1, ensure_ascii=False))
    else:
        print(diagnosis_text(diagnoses))
    return int(has_problem(diagnoses))


def _store() -> list[Diagnosis]:
    from tff_retail.program.machine_diagnosis import diagnose_machine
    from tff_retail.program.store_diagnosis import diagnose_store

    if not FLAGS.data_dir:
        raise ConfigurationError(
            "--data_dir must be set for a store, or --fleet for headquarters, found neither; a "
            "store's doctor takes the daemon's flags"
        )
    config = store.store_config_from_flags()
    folders = [pathlib.Path(path) for path in (config.state_dir, config.cache_dir) if path]
    return [*diagnose_machine(folders, device=config.device), *diagnose_store(config)]


def _headquarters() -> list[Diagnosis]:
    from tff_retail.program.fleet_diagnosis import diagnose_fleet
    from tff_retail.program.machine_diagnosis import diagnose_machine

    fleet = FLAGS.fleet or "fleet"
    folders = [pathlib.Path(path) for path in (fleet, FLAGS.run) if path]
    return [*diagnose_machine(folders), *diagnose_fleet(fleet, FLAGS.run)]


if __name__ == "__main__":
    define_flags()
    run_main(main)
