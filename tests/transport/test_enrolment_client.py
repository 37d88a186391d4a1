"""What a listener answers, whoever it is."""

import pytest

from tff_retail.transport.enrolment_client import _checked
from tff_retail.transport.enrolment_refused import EnrolmentRefused


def test_a_refusal_writes_to_no_terminal():
    """It may come before it is known who is there."""
    answer = {"error": "no\x1b[2J", "sentence": "ask again\r\n\x1b]0;joined\x07\x9b"}
    with pytest.raises(EnrolmentRefused) as refused:
        _checked(answer)
    assert refused.value.code == "no[2J"
    assert "ask again]0;joined" in str(refused.value) and str(refused.value).isprintable()
