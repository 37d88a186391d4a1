"""What was found of a target, and the page that says so."""

import dataclasses
import datetime
import pathlib
from collections.abc import Sequence

# More is growth: caches and the allocator's own come to less.
_MOST_GROWN_MB = 64.0
_BEGIN, _END = "<!-- fuzz begins -->", "<!-- fuzz ends -->"


@dataclasses.dataclass(frozen=True)
class FuzzReport:
    """A target and its numbers.

    Attributes:
      name: of the target.
      branches: of the project's code that were reached, as atheris counts them.
      finding: what ended it early; '' for none.
      inputs: that were read.
      seconds: that it took.
      longest_s: seconds of the slowest input.
      grown_mb: resident at the end, above what was resident after a fifth of the inputs.
    """

    name: str
    branches: int
    finding: str
    inputs: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0
    grown_mb: float = 0.0

    def __post_init__(self) -> None:
        if not self.finding and self.grown_mb > _MOST_GROWN_MB:
            object.__setattr__(self, "finding", f"it grew by {self.grown_mb} MB")

    def line(self) -> str:
        """For the terminal."""
        found = f"FINDING: {self.finding}" if self.finding else "nothing found"
        return (
            f"{self.name:24} {self.inputs:>9,} inputs {self.seconds:>7.1f} s "
            f"{self.branches:>6} branches, slowest {1000 * self.longest_s:.0f} ms, "
            f"{self.grown_mb:+.1f} MB: {found}"
        )


def write_fuzz_page(page: pathlib.Path, reports: Sequence[FuzzReport]) -> None:
    """Writes the table of a page anew, between its marks."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    total = sum(report.inputs for report in reports)
    seconds = sum(report.seconds for report in reports)
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    lines = [
        f"{total:,} inputs in {seconds:,.0f} s on one core; {day}.",
        "",
        "| target | inputs | seconds | branches reached | slowest input | growth | found |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| `{one.name}` | {one.inputs:,} | {one.seconds:.0f} | {one.branches:,} | "
        f"{1000 * one.longest_s:.0f} ms | {one.grown_mb:+.1f} MB | {one.finding or 'nothing'} |"
        for one in reports
    ]
    written = "\n".join([_BEGIN, *lines, _END])
    page.write_text(before + written + after, encoding="utf-8")
