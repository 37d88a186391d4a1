"""The study's results as rows, mean and spread over seeds, and as a Markdown table."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

# What a start is called where a person reads it.
START_NAMES = {
    "scratch": "from scratch",
    "synthetic": "pre-trained on synthetic shelves, all layers",
    "half_finetuned": "pre-trained on headquarters' half, all layers",
    "half": "pre-trained on headquarters' half, head only",
}
# The study's aim: federated at most so many points below central.
_MAX_GAP_POINTS = 3.0

Result = Mapping[str, Any]


def study_rows(results: Sequence[Result]) -> list[dict[str, Any]]:
    """One row for each (start, alpha), in the order in which they come.

    A row has `seeds`, `epochs`, and for `federated`, `central` and `gap` (central minus federated
    of the same seed) `mean` and `sd` in points; `central_epochs`, for each seed the epochs after
    which central training was first measured to be as good as the finished federated model, or
    None; `alone` has `mean`, `min` and `max` over stores and seeds. Central training does not
    depend on the stores: a seed's serves all its alphas.
    """
    central = {
        (result["start"], result["seed"]): result["central"]
        for result in results
        if result["central"] is not None
    }
    settings = dict.fromkeys((result["start"], result["alpha"]) for result in results)
    return [
        _row([r for r in results if (r["start"], r["alpha"]) == setting], central)
        for setting in settings
    ]


def study_table(rows: Sequence[Mapping[str, Any]], results: Sequence[Result]) -> str:
    """The rows as Markdown, and what they are measured on."""
    num_evaluated = results[0]["num_evaluated"]
    lines = [
        "| from | Dirichlet | seeds | epochs | central | federated | below central "
        "| central is there after | one store alone (worst to best) |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_line, rows),
        "",
        "Top-1 in percent after the last round, as many epochs federated, central and alone; mean "
        "± standard deviation over seeds, on the same "
        f"{num_evaluated:g} validation photographs: an accuracy of one model is known to "
        f"± {_binomial_points(rows, num_evaluated):.1f} points (one standard error). *Central is "
        "there after*: for each seed, the epochs after which central training was first measured "
        "to be as good as the finished federated model. One store alone: mean over the stores of "
        f"{_seeds_alone(results)}.",
    ]
    return "\n".join(lines)


def _row(
    results: Sequence[Result], central: Mapping[tuple[str, int], Mapping[str, Any]]
) -> dict[str, Any]:
    start, local_epochs = results[0]["start"], results[0]["local_epochs"]
    federated = {result["seed"]: result["federated"]["top_1"] for result in results}
    alone = [100 * store["top_1"] for result in results for store in result["alone"].values()]
    paired = {seed: central[start, seed] for seed in federated if (start, seed) in central}
    return {
        "start": start,
        "alpha": results[0]["alpha"],
        "seeds": sorted(federated),
        "epochs": results[0]["rounds"] * local_epochs,
        "federated": _spread([100 * top_1 for top_1 in federated.values()]),
        "central": _spread([100 * trained["top_1"] for trained in paired.values()]),
        "gap": _spread([100 * (paired[seed]["top_1"] - federated[seed]) for seed in paired]),
        "central_epochs": [
            _epochs_to_reach(federated[seed], paired[seed]["curve"], local_epochs)
            for seed in paired
        ],
        "alone": {
            "mean": statistics.mean(alone) if alone else None,
            "min": min(alone, default=None),
            "max": max(alone, default=None),
        },
    }


def _epochs_to_reach(
    top_1: float, curve: Sequence[Sequence[float]], local_epochs: int
) -> int | None:
    # The federated figure is float32: half a photograph of a thousand is no difference.
    reached = (round_num for round_num, measured in curve if measured > top_1 - 5e-4)
    first = next(reached, None)
    return None if first is None else int(first) * local_epochs


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    return {
        "mean": statistics.mean(values) if values else None,
        "sd": statistics.stdev(values) if len(values) > 1 else None,
    }


def _seeds_alone(results: Sequence[Result]) -> str:
    seeds = sorted({result["seed"] for result in results if result["alone"]})
    return f"seed {', '.join(map(str, seeds))}" if seeds else "no seed"


def _line(row: Mapping[str, Any]) -> str:
    gap, alone = row["gap"], row["alone"]
    is_near = gap["mean"] is not None and gap["mean"] <= _MAX_GAP_POINTS
    cells = [
        START_NAMES.get(row["start"], row["start"]),
        f"{row['alpha']:g}",
        str(len(row["seeds"])),
        str(row["epochs"]),
        _cell(row["central"]),
        _cell(row["federated"]),
        f"**{_cell(gap)}**" if is_near else _cell(gap),
        ", ".join("–" if n is None else str(n) for n in row["central_epochs"]) or "–",
        "–"
        if alone["mean"] is None
        else f"{alone['mean']:.1f} ({alone['min']:.1f} to {alone['max']:.1f})",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(spread: Mapping[str, float | None]) -> str:
    if spread["mean"] is None:
        return "–"
    # The sum turns -0.0 into 0.0.
    return f"{round(spread['mean'], 1) + 0.0:.1f}" + (
        "" if spread["sd"] is None else f" ± {spread['sd']:.1f}"
    )


def _binomial_points(rows: Sequence[Mapping[str, Any]], num_evaluated: float) -> float:
    """The largest standard error of a share among the rows' means, in points."""
    shares = [row["federated"]["mean"] / 100 for row in rows]
    return 100 * max(math.sqrt(share * (1 - share) / num_evaluated) for share in shares)
