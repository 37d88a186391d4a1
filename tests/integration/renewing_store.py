"""`tests.integration.impatient_store`, which looks every five seconds whether to renew."""

import runpy
from unittest import mock

from tff_retail.program import store_daemon

if __name__ == "__main__":
    mock.patch.object(store_daemon, "_RENEWAL_CHECK_S", 5.0).start()
    runpy.run_module("tests.integration.impatient_store", run_name="__main__", alter_sys=True)
