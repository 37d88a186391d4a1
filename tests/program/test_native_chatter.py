import os

import pytest

from tff_retail.program.native_chatter import quiet_native_code


def test_what_native_code_says_is_held_back(capfd):
    with quiet_native_code():
        os.write(2, b"INFO: a delegate was created\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_it_said_is_shown_when_it_fails(capfd):
    with pytest.raises(RuntimeError), quiet_native_code():
        os.write(2, b"the reason\n")
        raise RuntimeError
    assert capfd.readouterr().err == "the reason\n"
