"""Says what it means that numbers are rounded on their way."""

from tff_retail.config import LearningConfig


def narrowing_notice(learning: LearningConfig) -> str | None:
    """One line on `update_dtype` and `broadcast_dtype`; None where all travels in float32."""
    found = {
        "updates": ("update_dtype", learning.update_dtype),
        "weights": ("broadcast_dtype", learning.broadcast_dtype),
    }
    narrowed = [
        f"{what} are rounded on their way (--{flag}={dtype})"
        for what, (flag, dtype) in found.items()
        if dtype != "float32"
    ]
    if not narrowed:
        return None
    return (
        f"{' and '.join(narrowed)}: the run repeats as it would without, but the model is another "
        "than with float32"
    )
