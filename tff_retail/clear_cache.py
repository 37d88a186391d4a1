"""Removes the decoded photographs that training keeps, and what was derived from them.

    python -m tff_retail.clear_cache --data_dir=FOLDER
    python -m tff_retail.clear_cache --cache_dir=FOLDER

The first clears the cache of one chain, the second every cache below that folder. Photographs
themselves are never touched; the next run decodes them anew.
"""

from absl import flags

from datasets.cache_clearing import cache_folders, clear_cache
from tff_retail import flags as retail_flags
from tff_retail.config import ConfigurationError


def define_flags() -> None:
    """The flags of this command."""
    flags.DEFINE_string("data_dir", None, "Folder of store folders, or a test set's folder.")
    flags.DEFINE_string("cache_dir", None, "Folder of caches, where training was given one.")


def main(argv: list[str]) -> None:
    """Clears and says what was freed."""
    values = flags.FLAGS
    if argv:
        raise ConfigurationError(
            f"--data_dir must name the stores, found the argument {argv[0]!r} beside the flags"
        )
    folders = cache_folders(values.data_dir, values.cache_dir)
    for folder in folders:
        num_bytes = clear_cache(folder)
        print(f"cleared {folder}: {num_bytes / 2**20:,.1f} MB")
    if not folders:
        print("there is no cache to clear")


if __name__ == "__main__":
    define_flags()
    retail_flags.run_main(main)
