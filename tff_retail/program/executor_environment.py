"""What of the daemon's environment its executor gets: no pass phrases, no proxy's password."""

import os
from collections.abc import Mapping

_NAMES = frozenset(
    "GLIBC_TUNABLES GRPC_VERBOSITY LANG LANGUAGE LD_LIBRARY_PATH LD_PRELOAD PATH "
    "PYTHONDONTWRITEBYTECODE PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONUNBUFFERED PYTHONUTF8 "
    "PYTHONWARNINGS TZ".split()
)
# TensorFlow and the libraries under it; bits may depend on them.
_PREFIXES = (
    "CUDA_",
    "DNNL_",
    "KMP_",
    "LC_",
    "MALLOC_",
    "NVIDIA_",
    "OMP_",
    "ONEDNN_",
    "TF_",
    "XLA_",
)
_SECRET_PREFIX = "TF_VAR_"  # of Terraform, which keeps passwords in such


def executor_environment(
    environment: Mapping[str, str], *, python_path: str, scratch: str
) -> dict[str, str]:
    """The variables of an executor.

    Args:
      environment: the daemon's.
      python_path: where our packages are found.
      scratch: a folder of the executor's own, for what else would go to the home and to /tmp.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in _NAMES or (name.startswith(_PREFIXES) and not name.startswith(_SECRET_PREFIX))
    }
    paths = [python_path, *filter(None, [environment.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "HOME": scratch, "TMPDIR": scratch}
