"""What reading left out, in sentences."""

import dataclasses
import pathlib
from collections.abc import Collection

from datasets.cached_store import CachedChain
from datasets.chain_report import ChainReport

# Names in a sentence before it says "and N more".
MAX_NAMES = 5
REPORT_FILE = "report.json"


def report_of(cached: CachedChain) -> ChainReport:
    """What came of the files of a chain, with a sentence for each kind of loss."""
    report = ChainReport(
        num_photographs=cached.num_photographs,
        num_examples=sum(store.num_examples for store in cached.stores),
        skipped=tuple(skipped for store in cached.stores for skipped in store.skipped),
        other_labels=cached.other_labels,
        empty_stores=tuple(store.name for store in cached.stores if not store.num_examples),
        num_repeated=sum(store.num_repeated for store in cached.stores),
        num_ambiguous=sum(store.num_ambiguous for store in cached.stores),
    )
    return dataclasses.replace(report, notices=_notices(report, cached.root / REPORT_FILE))


def nothing_left(source: str, cached: CachedChain, layout: str) -> str:
    """The sentence for a chain without one usable photograph.

    Args:
      source: the flag and its value, `--data_dir=stores`.
      cached: what was read.
      layout: where photographs should lie.
    """
    skipped = [skipped for store in cached.stores for skipped in store.skipped]
    if not cached.stores:
        found = "no folder of a store"
    elif cached.other_labels:
        found = f"only other labels than those wanted: {_names(cached.other_labels)}"
    elif skipped:
        first = skipped[0]
        found = (
            f"{_count(skipped, 'file')} that can't be used, the first"
            f" {first.store}/{first.path} ({first.reason})"
        )
    else:
        found = f"none in {_count(cached.stores, 'folder')}"
    return f"{source} must hold a usable photograph, found {found}; the layout is {layout}"


def _notices(report: ChainReport, report_path: pathlib.Path) -> tuple[str, ...]:
    notices = []
    if report.other_labels:
        number = sum(report.other_labels.values())
        notices.append(
            f"left out {_count(number, 'photograph')} of {_count(report.other_labels, 'label')} not"
            f" in the list of labels: {_names(report.other_labels)}"
        )
    if report.skipped:
        notices.append(
            f"left out {_count(report.skipped, 'file')} that can't be used; which and why stands"
            f" in {report_path}"
        )
    if report.empty_stores:
        notices.append(
            f"left out {_count(report.empty_stores, 'store')} without a usable photograph:"
            f" {_names(report.empty_stores)}"
        )
    if report.num_repeated:
        copies = "copy" if report.num_repeated == 1 else "copies"
        notices.append(
            f"left out {report.num_repeated} {copies} of photographs within a store and label"
        )
    if report.num_ambiguous:
        notices.append(
            f"{_count(report.num_ambiguous, 'photograph')} kept under more than one label of their"
            " store"
        )
    return tuple(notices)


def _count(number: int | Collection[object], noun: str) -> str:
    count = number if isinstance(number, int) else len(number)
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _names(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"
