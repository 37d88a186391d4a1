import pytest

from tff_retail.config import LearningConfig
from tff_retail.program.narrowing_notice import narrowing_notice


def test_nothing_is_said_where_nothing_is_rounded():
    assert narrowing_notice(LearningConfig()) is None


@pytest.mark.parametrize(
    ("update", "broadcast", "said"),
    [
        ("int4", "float32", "updates are rounded on their way (--update_dtype=int4)"),
        ("float32", "float16", "weights are rounded on their way (--broadcast_dtype=float16)"),
        (
            "int8",
            "bfloat16",
            "updates are rounded on their way (--update_dtype=int8) and weights are rounded on "
            "their way (--broadcast_dtype=bfloat16)",
        ),
    ],
)
def test_it_says_what_is_rounded_and_what_still_holds(update, broadcast, said):
    notice = narrowing_notice(LearningConfig(update_dtype=update, broadcast_dtype=broadcast))
    assert notice == (
        f"{said}: the run repeats as it would without, but the model is another than with float32"
    )
