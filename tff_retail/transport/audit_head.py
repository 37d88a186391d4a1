"""The last entry of a store's audit log, which stands for all before it."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuditHead:
    """What headquarters countersigns.

    Attributes:
      store: its name.
      chain: SHA-256 of the chain's root certificate, in hexadecimal.
      log: hash of the log's first entry, which names it.
      sequence: of the last entry.
      hash: of the last entry, in hexadecimal.
    """

    store: str
    chain: str
    log: str
    sequence: int
    hash: str
