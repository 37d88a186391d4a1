"""What a store says of itself to headquarters: listed numbers of a known form, or less."""

from collections.abc import Mapping

from tff_retail.privacy.rule_meaning import known_rule

_STATES = ("working", "worked", "failed")
_ROLES = ("train", "evaluate")
_COUNTS = ("train", "validation")
# Ten days: no work takes longer.
_MOST_SECONDS = 864_000.0
# No store has a million photographs of its shelves.
_MOST_COUNT = 1_000_000


def shared_counts(values: Mapping[str, float]) -> dict[str, int]:
    """How many photographs there are by split; a number of a thousand digits is something else."""
    return {name: int(values[name]) for name in _COUNTS if 0 <= values.get(name, -1) <= _MOST_COUNT}


def shared_report(
    state: str, code: str, values: Mapping[str, float], *, sharing: str, has_enough: bool
) -> tuple[str, str, dict[str, float]] | None:
    """The report as it may leave: state, code and values; None where nothing may.

    Args:
      state, code, values: as the executor says, which may say anything.
      sharing: `all`, `health` or `nothing`, see `ReleasePolicy.reports`.
      has_enough: whether there are so many examples that their number may be told.
    """
    if sharing == "nothing" or state not in _STATES or "round" not in values:
        return None
    if state == "failed":
        code = known_rule(code)
    elif code not in _ROLES:
        return None
    shared: dict[str, float] = {"round": int(values["round"])}
    if sharing == "all":
        if "seconds" in values:
            # A tenth of a second is what a person reads; more digits could mean anything.
            shared["seconds"] = round(min(max(values["seconds"], 0.0), _MOST_SECONDS), 1)
        if has_enough:
            shared.update(shared_counts(values))
    return state, code, shared
