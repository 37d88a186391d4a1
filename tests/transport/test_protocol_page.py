"""docs/protocol.md says what the table in the code says."""

import pathlib

import pytest

from tff_retail.transport.link_frames import FRAMES, Kind, LinkState, Side

_PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


def _row(kind: Kind) -> list[str]:
    line = next(
        line
        for line in _PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{kind.name.lower()}` | {kind.value} |")
    )
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_described_as_it_is(kind):
    rule = FRAMES[kind]
    _, _, sides, states, header, body, then = _row(kind)
    senders = [side.value for side in Side if side in rule.sides]
    assert sides == (senders[0] if len(senders) == 1 else "both")
    assert states.split(", ") == [state.value for state in LinkState if state in rule.states]
    assert header.replace("`", "").split() == list(rule.fields)
    expected = "opens a transfer" if rule.opens_transfer else ""
    assert body == ("at most 1 MiB" if kind in (Kind.PART, Kind.PACKED) else expected)
    assert then == (rule.then.value if rule.then else "")
