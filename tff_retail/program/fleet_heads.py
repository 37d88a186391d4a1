"""What `fleet heads` prints: the heads of stores' audit logs that headquarters countersigned."""

from collections.abc import Sequence
from typing import Any

from tff_retail.config import ConfigurationError
from tff_retail.program.head_keeper import heads_path
from tff_retail.program.head_records import HeadRecords
from tff_retail.program.text_table import format_table
from tff_retail.transport.fleet_folder import FleetFolder

_HEADER = ("store", "entries", "countersigned at (UTC)", "log")


def fleet_heads(folder: FleetFolder) -> list[dict[str, Any]]:
    """The newest head of each store of the fleet that ever had one, by name, as JSON values.

    Raises:
      ConfigurationError: a record can't be read.
    """
    heads = []
    for record in folder.stores.all():
        path = heads_path(folder, record.name)
        try:
            last = HeadRecords(path).last()
        except ValueError as error:
            raise ConfigurationError(
                f"{path} must hold countersigned heads, found that {error}; restore it"
            ) from error
        if last is not None:
            heads.append(last.to_json())
    return heads


def fleet_heads_text(folder: FleetFolder) -> str:
    """The same as a table.

    Raises:
      ConfigurationError: a record can't be read.
    """
    rows: Sequence[Sequence[str]] = [
        (head["store"], str(head["sequence"]), head["time"].rstrip("Z"), head["log"][:16])
        for head in fleet_heads(folder)
    ]
    if not rows:
        return "no head of a store's audit log has been countersigned yet"
    return format_table(_HEADER, rows)


def fleet_heads_of(folder: FleetFolder, store: str) -> str:
    """All heads of one store, a line each, for `store audit --verify --heads=FILE`.

    Raises:
      ConfigurationError: there are none.
    """
    try:
        return heads_path(folder, store).read_text(encoding="utf-8").rstrip("\n")
    except (FileNotFoundError, ValueError):
        raise ConfigurationError(
            f"NAME must be a store whose audit log was countersigned, found {store!r}; `fleet "
            "heads` lists them"
        ) from None
