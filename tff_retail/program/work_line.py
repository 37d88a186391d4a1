"""What a store's daemon says of a piece of work."""

from collections.abc import Mapping


def work_line(state: str, code: str, values: Mapping[str, float]) -> str:
    """The line about a report of the executor; '' where there is nothing to tell."""
    if state != "worked":
        return ""
    verb, split = ("trained", "train") if code == "train" else (f"did {code}", "validation")
    on = f" on {values[split]:,.0f} photographs" if split in values else ""
    return f"round {values['round']:.0f}: {verb}{on} in {values['seconds']:.1f} s"
