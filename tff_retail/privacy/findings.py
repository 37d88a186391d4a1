"""Findings as they are made; what a hostile graph can have collected is bounded."""

from tff_retail.privacy.finding import Finding
from tff_retail.privacy.graph_rules import GRAPH_RULES

# Enough to see what is wrong. A graph can break a rule a million times.
_MOST = 20
_MAX_WORD = 80


class Findings:
    """Collects findings, the first few of them."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    @property
    def is_full(self) -> bool:
        """Whether it is no use to look any further."""
        return len(self._found) >= _MOST

    def add(self, rule: str, where: str, sentence: str) -> None:
        """Keeps a finding while there is room; what it quotes is made printable and short."""
        assert rule in GRAPH_RULES, rule
        if not self.is_full:
            self._found.append(Finding(rule, shown(where, 2 * _MAX_WORD), shown(sentence, 400)))

    def __bool__(self) -> bool:
        return bool(self._found)

    def to_list(self) -> list[Finding]:
        """In the order in which they were made."""
        return list(self._found)


def shown(text: object, most: int = _MAX_WORD) -> str:
    """Something out of a graph, fit for a line of a log."""
    line = str(text[: most + 1] if isinstance(text, str | bytes) else text)[: most + 1]
    line = "".join(each if each.isprintable() else "?" for each in line)
    return line if len(line) <= most else line[: most - 1] + "…"
