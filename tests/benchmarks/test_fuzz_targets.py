"""The fuzz campaign in short: some hundred inputs for each parser, the same ones every time."""

import random

import pytest

from benchmarks.fuzz.fuzz_report import FuzzReport, write_fuzz_page
from benchmarks.fuzz.fuzz_target import FuzzTarget
from benchmarks.fuzz.steps import read_steps, write_steps
from benchmarks.fuzz.targets import TARGETS, make_target

_NUM_INPUTS = 200
_NAMES = [name for names in TARGETS.values() for name in names]
# A seed of an odd kind, which is to be refused, stands among the good ones of these.
_SOME_REFUSED = {
    "audit_line",
    "certificate",
    "certificate_request",
    "headquarters_protocol",
    "join_token",
    "link_frame",
    "model_archive",
    "policy_file",
    "proxy_answer",
    "store_protocol",
}


def _changed(seed: bytes, draw: random.Random) -> bytes:
    """A seed with some bytes changed, cut, doubled or put in."""
    data = bytearray(seed)
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(4):
            case 0:
                data[at : at + 1] = bytes([draw.randrange(256)])
            case 1:
                del data[at : at + draw.randrange(1, 20)]
            case 2:
                data[at:at] = data[at : at + draw.randrange(1, 50)]
            case _:
                data[at:at] = draw.choice(
                    (b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b'"', b"{", b"\n")
                )
    return bytes(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", _NAMES)
def test_a_parser_takes_or_refuses_whatever_it_is_given(name):
    target, draw = make_target(name), random.Random(name)
    for _ in range(_NUM_INPUTS):
        target.run(_changed(draw.choice(target.seeds), draw)[: target.max_bytes])


@pytest.mark.parametrize("name", _NAMES)
def test_a_campaign_begins_with_what_is_taken(name):
    target = make_target(name)
    taken = 0
    for seed in target.seeds:
        try:
            target.read(seed)
        except target.errors:
            assert name in _SOME_REFUSED
        else:
            taken += 1
    assert taken


def test_what_a_parser_does_not_declare_is_a_finding():
    def read(data: bytes) -> None:
        raise {b"a": ValueError, b"b": KeyError}[data]

    target = FuzzTarget(read, (ValueError,), [b"a"])
    target.run(b"a")
    with pytest.raises(KeyError):
        target.run(b"b")


def test_steps_are_read_as_they_were_written():
    steps = [(1, b"one"), (200, b""), (13, bytes(300))]
    assert list(read_steps(write_steps(steps))) == steps
    assert list(read_steps(write_steps(steps)[:-1]))[-1] == (13, bytes(299))


def test_growth_is_a_finding():
    assert FuzzReport(name="a", branches=1, finding="", grown_mb=63.0).finding == ""
    assert "grew by 65" in FuzzReport(name="a", branches=1, finding="", grown_mb=65.0).finding


def test_the_page_has_a_row_for_each_target(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Top\n<!-- fuzz begins -->\nold\n<!-- fuzz ends -->\nend\n", encoding="utf-8")
    report = FuzzReport(name="link_frame", branches=56, finding="", inputs=1200, seconds=2.0)
    write_fuzz_page(page, [report])
    text = page.read_text(encoding="utf-8")
    assert "| `link_frame` | 1,200 | 2 | 56 | 0 ms | +0.0 MB | nothing |" in text
    assert text.startswith("# Top\n") and text.endswith("\nend\n") and "old" not in text
