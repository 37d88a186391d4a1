import os
import subprocess
import sys

from tff_retail.program.process_mark import ENDED, RUNNING, UNKNOWN, process_mark, process_state


def test_this_process_is_there():
    mark = process_mark()
    assert (mark["id"], process_state(mark)) == (os.getpid(), RUNNING)


def test_a_process_that_has_ended_and_one_that_has_its_number():
    code = "from tff_retail.program.process_mark import process_mark as m; print(m()['id'])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process_state({**process_mark(), "id": int(ended.stdout)}) == ENDED
    assert process_state({**process_mark(), "started": 1.0}) == ENDED


def test_of_another_machine_nothing_is_known():
    assert process_state({**process_mark(), "host": "elsewhere"}) == UNKNOWN
    assert process_state(None) == UNKNOWN
