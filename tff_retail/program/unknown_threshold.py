"""The probability below which a photograph is said to show no product of the chain."""

from tff_retail.config import require

AUTO = "auto"
UNKNOWN_THRESHOLD_HELP = (
    "Below this probability of the best label a photograph is said to show an unknown product: "
    "auto takes the threshold that training chose on the stores' validation photographs, a number "
    "in [0, 1] another one, 0 none."
)


def read_unknown_threshold(value: str) -> float | None:
    """The value of `--unknown_threshold`; None for `auto`.

    Raises:
      ConfigurationError: it is neither auto nor a number in [0, 1].
    """
    if value == AUTO:
        return None
    try:
        threshold = float(value)
    except ValueError:
        threshold = float("nan")
    require(0 <= threshold <= 1, "unknown_threshold", "auto or a number in [0, 1]", value)
    return threshold
