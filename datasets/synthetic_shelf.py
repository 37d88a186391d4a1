"""A chain of synthetic stores: photographs of products that are drawn, for trying things out.

Every store stocks the chain's products in proportions of its own, one Dirichlet draw a store
(Hsu et al. 2019, section 3, https://arxiv.org/abs/1909.06335), and photographs them with its own
shelves, lamps and camera. `datasets.shelf` says what there is to see.
"""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from datasets.partitioners import apportion, dirichlet_shares
from datasets.shelf.catalogue import Product, catalogue
from datasets.shelf.photograph import StoreCamera
from datasets.shelf.store_look import store_look
from datasets.whole_folder import make_whole_folder
from tff_retail.config import ConfigurationError, require

# Raised whenever the same settings would give other photographs.
_VERSION = 1

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Chain:
    num_stores: int
    num_labels: int
    images_per_store: int
    image_size: int
    alpha: float
    seed: int


def write_synthetic_stores(
    output_dir: str | pathlib.Path,
    *,
    num_stores: int,
    num_labels: int,
    images_per_store: int,
    image_size: int,
    alpha: float,
    seed: int,
    on_progress: Progress | None = None,
) -> None:
    """Writes a chain as `<output_dir>/<store>/<label>/*.jpg` with its `labels.txt`.

    A chain that is there already is left as it is; a killed process leaves none. Every label is
    in one store at least, and equal arguments give equal files.

    Args:
      output_dir: a folder that is new, empty, or holds the same chain.
      num_stores: at least 1.
      num_labels: number of products, at least 2.
      images_per_store: photographs of each store.
      image_size: their height and width in pixels.
      alpha: concentration of the stores' Dirichlet draws, above 0; large for equal proportions.
      seed: at least 0.
      on_progress: called with the number of photographs written and to write.

    Raises:
      ConfigurationError: an argument breaks its rule, or the folder holds something else.
    """
    chain = _Chain(
        num_stores=num_stores,
        num_labels=num_labels,
        images_per_store=images_per_store,
        image_size=image_size,
        alpha=alpha,
        seed=seed,
    )
    _check(chain)
    made_from = {"synthetic_shelf": _VERSION, **dataclasses.asdict(chain)}
    make_whole_folder(
        pathlib.Path(output_dir),
        made_from=made_from,
        write=lambda folder: _write_chain(folder, chain, on_progress),
    )


def _check(chain: _Chain) -> None:
    require(chain.num_stores >= 1, "num_stores", "at least 1", chain.num_stores)
    require(chain.images_per_store >= 1, "images_per_store", "at least 1", chain.images_per_store)
    require(16 <= chain.image_size <= 1024, "image_size", "in [16, 1024]", chain.image_size)
    require(0 < chain.alpha < float("inf"), "partition_alpha", "above 0", chain.alpha)
    require(chain.seed >= 0, "seed", "at least 0", chain.seed)
    catalogue(chain.num_labels)
    if chain.num_stores * chain.images_per_store < chain.num_labels:
        raise ConfigurationError(
            f"--images_per_store must give every one of {chain.num_labels} labels a photograph, "
            f"found {chain.images_per_store} in {chain.num_stores} stores; ask for more"
        )


def _write_chain(folder: pathlib.Path, chain: _Chain, on_progress: Progress | None) -> None:
    products = catalogue(chain.num_labels)
    (folder / "labels.txt").write_text("".join(f"{product.name}\n" for product in products))
    counts = _label_counts(chain)
    num_written, num_photographs = 0, int(counts.sum())
    for store in range(chain.num_stores):
        rng = np.random.default_rng([chain.seed, store])
        look = store_look(store, rng)
        camera = StoreCamera(look, image_size=chain.image_size, rng=rng)
        store_folder = folder / _store_name(store, chain.num_stores)
        for product, count in zip(products, counts[store], strict=True):
            _write_label(store_folder, product, int(count), camera, rng)
            num_written += int(count)
            if on_progress and count:
                on_progress(num_written, num_photographs)


def _write_label(
    store_folder: pathlib.Path,
    product: Product,
    count: int,
    camera: StoreCamera,
    rng: np.random.Generator,
) -> None:
    if count:
        (store_folder / product.name).mkdir(parents=True)
    for number in range(1, count + 1):
        photograph = camera.photograph(product, rng)
        (store_folder / product.name / f"{number:04d}.jpg").write_bytes(photograph)


def _store_name(store: int, num_stores: int) -> str:
    return f"store_{store + 1:0{len(str(num_stores))}d}"


def _label_counts(chain: _Chain) -> np.ndarray:
    """int64 [num_stores, num_labels]: photographs of each label in each store."""
    rng = np.random.default_rng([chain.seed, chain.num_stores, chain.num_labels])
    counts = np.stack(
        [
            apportion(dirichlet_shares(rng, chain.alpha, chain.num_labels), chain.images_per_store)
            for _ in range(chain.num_stores)
        ]
    )
    for label in np.flatnonzero(counts.sum(axis=0) == 0):
        _stock(counts, label)
    return counts


def _stock(counts: np.ndarray, label: int) -> None:
    """Gives one photograph of a label that no store has to the store with the most of another.

    The label that gives one up has two at least, since there are more photographs than labels.
    """
    giver = counts.sum(axis=0).argmax()
    store = counts[:, giver].argmax()
    counts[store, giver] -= 1
    counts[store, label] += 1
