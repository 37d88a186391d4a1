"""The photographs of one store that knows its labels from elsewhere: a real store's own folder.

    <data_dir>/<label>/**/*.jpg|jpeg|png|webp|bmp      or <data_dir>/manifest.csv

They are split, ordered and cached as those of the same store in a chain (`chain.open_chain`).
"""

import collections
import dataclasses
import os

from datasets.cache_location import folder_cache, keyed_name
from datasets.photograph_cache import filling_cache
from datasets.store_listing import keep_labels, list_store
from datasets.store_photographs import StorePhotographs, store_photographs
from tff_retail.config import existing_folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnPhotographs:
    """Where a store's photographs are, and how they are to be prepared.

    Attributes:
      store: the store's name.
      data_dir: its folder.
      cache_dir: of decoded photographs; None for inside `data_dir`.
      labels: of the chain, in its order; photographs of other labels are left out.
      image_size: height and width to decode to.
      validation_fraction: see `content_split`.
    """

    store: str
    data_dir: str
    cache_dir: str | None
    labels: tuple[str, ...]
    image_size: int
    validation_fraction: float

    def read(self) -> StorePhotographs:
        """The photographs that are there now; those that are new are decoded.

        Raises:
          ConfigurationError: the folder, its manifest or the cache breaks its rule.
        """
        folder = existing_folder("data_dir", self.data_dir)
        positions = {label: position for position, label in enumerate(self.labels)}
        listing = keep_labels(
            list_store(folder, self.store), positions.keys(), collections.Counter()
        )
        root = folder_cache(self.data_dir, self.cache_dir)
        with filling_cache(
            root,
            image_size=self.image_size,
            validation_fraction=self.validation_fraction,
            workers=len(os.sched_getaffinity(0)),
            on_photograph=lambda: None,
        ) as filler:
            cached = filler.fill(listing, root / keyed_name(self.store))
        return store_photographs(cached, positions, self.image_size, filler.lock)
