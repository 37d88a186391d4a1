"""The folder of one run: what configuration it belongs to, and who may write in it.

configuration.json   what the run was started with
manifest.json        everything that is fixed but the weights
round_form/<role>/   the compiled graphs
checkpoints/, best/  program state of the last rounds and of the best ones
baselines/           what the model is compared with
metrics.csv, stores.csv, tensorboard/
model/, model_last/  the best evaluated model and the last one
summary.json         written last: a run with one is finished
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from datasets.private_files import FileLock
from tff_retail.config import ConfigurationError, FleetConfig, RunConfig

# What may differ between two starts of one run: it changes neither the weights nor the metrics.
_FREE = {
    "output_dir",
    "runtime.parallel_stores",
    "runtime.engine",
    "runtime.ray_address",
    "data.cache_dir",
    "unknown_share",
    *(f"fleet.{field.name}" for field in dataclasses.fields(FleetConfig)),
}


class RunDirectory:
    """A run directory, held by one process at a time.

    Args:
      path: the folder; made where it is missing.
      config: of the run. A folder that has another one is refused.

    Raises:
      ConfigurationError: another configuration made the folder, another process is using it, or
        it can't be written.
    """

    def __init__(self, path: pathlib.Path, config: RunConfig) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / "run.lock")
        except OSError as error:
            raise ConfigurationError(
                f"--output_dir must be a folder this user can write, found {str(path)!r} "
                f"({error.strerror}); choose another folder"
            ) from error
        try:
            self._take_lock()
            self._claim(config)
        except BaseException:
            self.close()
            raise

    @property
    def is_finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.path / "summary.json").exists()

    def read_json(self, name: str) -> Any:
        """A JSON file of the run, or None where it is not there or not whole."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(file.name + ".tmp")
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=2, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)

    def close(self) -> None:
        """Lets another process have the folder; may be called twice."""
        self._lock.release()

    def _take_lock(self) -> None:
        if not self._lock.take(wait=False):
            raise ConfigurationError(
                f"--output_dir must be used by one process at a time, found {str(self.path)!r} in "
                "use; wait for the other run or choose another folder"
            )

    def _claim(self, config: RunConfig) -> None:
        ours = config.to_json()
        theirs = self.read_json("configuration.json")
        if theirs is None:
            self._refuse_foreign_folder()
            self.write_json("configuration.json", ours)
            return
        differences = list(_differences(theirs, ours))
        if differences:
            raise ConfigurationError(
                f"--output_dir must be of the same configuration, found {str(self.path)!r} made "
                f"with {'; '.join(differences)}; choose another folder or the old settings"
            )

    def _refuse_foreign_folder(self) -> None:
        ours = {"run.lock", "configuration.json.tmp"}
        foreign = sorted(entry.name for entry in self.path.iterdir() if entry.name not in ours)
        if foreign:
            (self.path / "run.lock").unlink(missing_ok=True)
            raise ConfigurationError(
                f"--output_dir must be new, empty or a run's, found {str(self.path)!r} with "
                f"{foreign[0]!r} in it; choose another folder"
            )


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    old, new = dict(_flat(theirs)), dict(_flat(ours))
    for name in sorted(set(old) | set(new)):
        if name not in _FREE and old.get(name) != new.get(name):
            flag = name.rpartition(".")[2] if name != "model.name" else "model"
            yield f"--{flag}={old.get(name)} where this run has {new.get(name)}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
