"""What `inspect_data` says of a chain: as a table, as CSV files, as JSON."""

import csv
import dataclasses
import io
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from datasets.chain import Chain
from datasets.chain_statistics import ChainStatistics, StoreStatistics
from datasets.label_font import displayable_labels
from datasets.private_files import replacing
from tff_retail.program.text_table import format_table

# A screen or two; stores.csv has them all.
_MAX_ROWS = 50
_HEADER = ("store", "train", "val", "labels", "entropy", "divergence", "skew", "skipped", "shared")
_LEGEND = (
    "entropy: bits in the store's labels; divergence: Jensen-Shannon from the chain's, 0 to 1;\n"
    "skew: what of it the store's size does not explain; shared: photographs other stores have too"
)


def inspection_text(
    chain: Chain, statistics: ChainStatistics, advice: Sequence[str], folder: pathlib.Path
) -> str:
    """What is printed: a table of stores, what was left out, advice, and where the files are."""
    rows = [_row(store) for store in _shown(statistics.stores)]
    hidden = len(statistics.stores) - len(rows)
    more = [f"… and {hidden} less skewed stores; all are in stores.csv"] if hidden else []
    parts = [
        format_table(_HEADER, [*rows, _total(statistics)]),
        *more,
        _LEGEND,
        _bullets(chain.report.notices),
        _bullets(advice or ["Nothing stands in the way: the defaults are a good start."]),
        _numbered("labels", chain.labels),
        _numbered("stores", [store.name for store in chain.stores]),
        f"Picture: {folder / 'heat_map.png'}; tables: stores.csv, labels.csv, skipped.json,"
        " inspection.json beside it",
    ]
    return "\n\n".join(part for part in parts if part)


def inspection_values(
    chain: Chain, statistics: ChainStatistics, advice: Sequence[str]
) -> dict[str, Any]:
    """The same as JSON values; photographs by label stand in `labels`."""
    totals = statistics.counts.sum(axis=0)
    return {
        "num_stores": len(chain.stores),
        "num_labels": len(chain.labels),
        "num_examples": chain.report.num_examples,
        "label_entropy": statistics.label_entropy,
        "num_shared": statistics.num_shared,
        "num_conflicts": len(statistics.conflicts),
        "num_skipped": len(chain.report.skipped),
        "num_repeated": chain.report.num_repeated,
        "num_ambiguous": chain.report.num_ambiguous,
        "other_labels": chain.report.other_labels,
        "empty_stores": list(chain.report.empty_stores),
        "stores": [dataclasses.asdict(store) for store in statistics.stores],
        "labels": {label: int(n) for label, n in zip(chain.labels, totals, strict=True)},
        "notices": list(chain.report.notices),
        "advice": list(advice),
    }


def write_inspection(
    folder: pathlib.Path, chain: Chain, statistics: ChainStatistics, values: dict[str, Any]
) -> None:
    """Writes stores.csv, labels.csv, skipped.json and inspection.json into `folder`."""
    names = [field.name for field in dataclasses.fields(StoreStatistics)]
    stores = (dataclasses.astuple(store) for store in statistics.stores)
    _write(folder / "stores.csv", _csv([names, *stores]))
    columns = (statistics.train_counts, statistics.counts.sum(axis=0), _num_stores(statistics))
    labels = zip(range(len(chain.labels)), chain.labels, *columns, strict=True)
    header = ("number", "label", "num_train", "num_examples", "num_stores")
    _write(folder / "labels.csv", _csv([header, *labels]))
    _write(folder / "inspection.json", json.dumps(values, indent=1))
    chain.report.write(folder / "skipped.json")


def _shown(stores: tuple[StoreStatistics, ...]) -> Iterable[StoreStatistics]:
    """All of them, or where there are too many the most skewed, in the chain's order."""
    worst = sorted(stores, key=lambda store: -store.skew)[:_MAX_ROWS]
    names = {store.name for store in worst}
    return [store for store in stores if store.name in names]


def _row(store: StoreStatistics) -> list[str]:
    numbers = (store.num_train, store.num_validation, store.num_labels)
    ratios = (store.label_entropy, store.divergence, store.skew)
    return [
        store.name,
        *(f"{number:,}" for number in numbers),
        *(f"{ratio:.2f}" for ratio in ratios),
        str(store.num_skipped),
        str(store.num_shared),
    ]


def _total(statistics: ChainStatistics) -> list[str]:
    stores = statistics.stores
    return [
        f"all {len(stores)}",
        f"{sum(store.num_train for store in stores):,}",
        f"{sum(store.num_validation for store in stores):,}",
        f"{np.count_nonzero(statistics.counts.sum(axis=0)):,}",
        f"{statistics.label_entropy:.2f}",
        "",
        "",
        str(sum(store.num_skipped for store in stores)),
        str(sum(store.num_shared for store in stores)),
    ]


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"* {sentence}" for sentence in sentences)


def _numbered(kind: str, names: Sequence[str]) -> str:
    """The names that stand as numbers in the picture, for want of a font that has them."""
    texts, _ = displayable_labels(names)
    replaced = [
        f"{text} {name}"
        for index, (text, name) in enumerate(zip(texts, names, strict=True))
        if text == f"#{index}" and name != text
    ]
    if not replaced:
        return ""
    more = f", … and {len(replaced) - _MAX_ROWS} more in {kind}.csv" * (len(replaced) > _MAX_ROWS)
    return (
        f"No font here can draw these {kind}, so the picture has their numbers:"
        f" {', '.join(replaced[:_MAX_ROWS])}{more}"
    )


def _num_stores(statistics: ChainStatistics) -> np.ndarray:
    return np.count_nonzero(statistics.counts, axis=0)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(path: pathlib.Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8"))
