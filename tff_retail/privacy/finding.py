"""What a check found wrong with a graph."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Finding:
    """One breach of one rule.

    Attributes:
      rule: its short name, such as `operation_not_allowed`; all that a caller is told.
      where: the place in the graph, in printable characters.
      sentence: rule, value and remedy, for the store's own log.
    """

    rule: str
    where: str
    sentence: str
