"""How `--width_multiplier` changes a layer's number of channels."""


def scaled_width(channels: float, multiplier: float) -> int:
    """`channels * multiplier` as a multiple of 8, at most 10 % below it.

    The rule of the MobileNet papers (and of `keras.applications`); a multiple of 8 also divides
    into the groups of GroupNormalization.
    """
    wanted = channels * multiplier
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
