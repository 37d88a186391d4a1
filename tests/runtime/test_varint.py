import pytest

from tff_retail.runtime.varint import encode_varint


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (150, "9601"), (2**63, "80" * 9 + "01")],
)
def test_a_number_is_written_as_protocol_buffers_do(value, encoded):
    assert encode_varint(value).hex() == encoded
