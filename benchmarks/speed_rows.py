"""Who is timed against whom, and what is asked: the Speed table's ratios."""

import dataclasses
from collections.abc import Mapping, Sequence

from benchmarks.contender_process import Contender
from benchmarks.paired_rounds import PairedRounds
from benchmarks.row import Comparison, Series, paired_ratios

OURS = "tff_retail"
NEXT, NEXT_TUNED = "tff_retail, process.next", "tff_retail, process.next, tuned"
LIMIT = "limit"
STEP_LOOP = "step loop"
KERAS = ("Keras fit", "Keras fit, tuned")
FLOWER = "Flower simulation"
PFL = "pfl simulation"
STOCK, STOCK_TUNED = "stock TFF", "stock TFF, tuned"

_SCRIPTS = "benchmarks.contenders."
_DEFAULT, _TUNED = ("--variant=default",), ("--variant=tuned",)
CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(name=OURS, module=f"{_SCRIPTS}tff_retail_rounds"),
        Contender(name=NEXT, module=f"{_SCRIPTS}tff_retail_next", arguments=_DEFAULT),
        Contender(name=NEXT_TUNED, module=f"{_SCRIPTS}tff_retail_next", arguments=_TUNED),
        Contender(name=LIMIT, module=f"{_SCRIPTS}limit"),
        Contender(name=STEP_LOOP, module=f"{_SCRIPTS}step_loop"),
        Contender(name=KERAS[0], module=f"{_SCRIPTS}keras_fit", arguments=_DEFAULT),
        Contender(name=KERAS[1], module=f"{_SCRIPTS}keras_fit", arguments=_TUNED),
        Contender(name=FLOWER, module=f"{_SCRIPTS}flower_simulation", environment="flower"),
        Contender(name=PFL, module=f"{_SCRIPTS}pfl_simulation", environment="pfl"),
        Contender(name=STOCK, module=f"{_SCRIPTS}stock_tff", arguments=_DEFAULT),
        Contender(name=STOCK_TUNED, module=f"{_SCRIPTS}stock_tff", arguments=_TUNED),
    )
}
_FEW_LARGE = (OURS, *KERAS, FLOWER, LIMIT)
_MANY_SMALL = (OURS, STEP_LOOP, PFL, FLOWER, STOCK_TUNED, LIMIT)


@dataclasses.dataclass(frozen=True)
class Target:
    """`ours` against the fastest of `theirs`.

    Attributes:
      name: for the table.
      theirs: contenders; of several the one with the highest median counts.
      at_least: the ratio that is asked; None where it is only told.
      ours: who is compared.
    """

    name: str
    theirs: Sequence[str]
    at_least: float | None
    ours: str = OURS

    def compare(self, rounds: PairedRounds) -> Comparison:
        """Paired ratios of images a second."""
        speeds = rounds.images_per_second
        there = [name for name in self.theirs if name in speeds]
        absent = [name for name in (self.ours, *self.theirs) if name not in speeds]
        remark = f"missing: {', '.join(absent)}" if absent else ""
        if self.ours not in speeds or not there:
            return Comparison(name=self.name, at_least=self.at_least, remark=remark)
        series = {name: Series(name=name, unit="", values=speeds[name]) for name in there}
        best = max(there, key=lambda name: series[name].median)
        if len(self.theirs) > 1:
            remark = "; ".join(part for part in (f"best is {best}", remark) if part)
        return Comparison(
            name=self.name,
            values=paired_ratios(speeds[self.ours], speeds[best]),
            at_least=self.at_least,
            of=best,
            remark=remark,
        )


def _few_large_targets(keras_at_least: float) -> tuple[Target, ...]:
    return (
        Target("of best-tuned Keras", KERAS, keras_at_least),
        Target("of Keras at defaults", KERAS[:1], None),
        Target("of Flower's simulation", (FLOWER,), 1.2),
        Target("of the limit", (LIMIT,), 0.9),
    )


_MANY_SMALL_TARGETS = (
    Target("of a centralised step loop", (STEP_LOOP,), 1.25),
    Target("of the best peer", (PFL, FLOWER, STOCK_TUNED), 1.5),
    Target("of the limit", (LIMIT,), 0.9),
)
_NEXT_TARGETS = (
    Target("of stock TFF at defaults", (STOCK,), 3.0, NEXT),
    Target("tuned, of stock TFF tuned", (STOCK_TUNED,), None, NEXT_TUNED),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeedRow:
    """One row of the table.

    Attributes:
      title: for the table.
      workload: of `WORKLOADS`; rows of one workload are timed together.
      contenders: who takes part.
      targets: what is asked.
    """

    title: str
    workload: str
    contenders: tuple[str, ...]
    targets: tuple[Target, ...]


SPEED_ROWS: Mapping[str, SpeedRow] = {
    "mobilenet_v2_32": SpeedRow(
        title="few large stores, MobileNetV2 32²",
        workload="mobilenet_v2_32",
        contenders=_FEW_LARGE,
        targets=_few_large_targets(1.3),
    ),
    "mobilenet_v2_96": SpeedRow(
        title="few large stores, MobileNetV2 96²",
        workload="mobilenet_v2_96",
        contenders=_FEW_LARGE,
        targets=_few_large_targets(1.0),
    ),
    "resnet18_32": SpeedRow(
        title="few large stores, ResNet-18 32²",
        workload="resnet18_32",
        contenders=_FEW_LARGE,
        targets=_few_large_targets(1.3),
    ),
    "many_small": SpeedRow(
        title="many small stores, CNN 32²",
        workload="many_small",
        contenders=_MANY_SMALL,
        targets=_MANY_SMALL_TARGETS,
    ),
    "process_next": SpeedRow(
        title="the same by process.next",
        workload="many_small",
        contenders=(NEXT, NEXT_TUNED, STOCK, STOCK_TUNED),
        targets=_NEXT_TARGETS,
    ),
}
