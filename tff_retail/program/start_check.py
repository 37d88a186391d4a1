"""What can be checked of a run in no time, before anything slow starts."""

import pathlib

from tff_retail.config import RunConfig, existing_folder
from tff_retail.learning.pretrained_weights import require_loadable
from tff_retail.program.disk_room import require_room
from tff_retail.runtime.ray_cluster import import_ray


def check_before_start(config: RunConfig) -> None:
    """Checks packages, folders, files and room.

    Raises:
      ConfigurationError: a package, a folder or a weights file is missing, or the disk is full.
    """
    if config.runtime.engine == "ray":
        import_ray()
    if config.data.data_dir is not None:
        existing_folder("data_dir", config.data.data_dir)
    if config.data.eval_dir is not None:
        existing_folder("eval_dir", config.data.eval_dir)
    require_loadable(config.model)
    require_room(pathlib.Path(config.output_dir))
