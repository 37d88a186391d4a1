"""`python -m tff_retail.store`, which dials again within half a second; a minute proves nothing."""

import runpy
from unittest import mock

from tff_retail.program import executor_supervisor
from tff_retail.transport import link_client
from tff_retail.transport.reconnect_delays import ReconnectDelays


class _ShortDelays(ReconnectDelays):
    def next_s(self, attended_s: float = 0.0) -> float:
        return min(super().next_s(attended_s), 0.5)


if __name__ == "__main__":
    for module in (link_client, executor_supervisor):
        mock.patch.object(module, "ReconnectDelays", _ShortDelays).start()
    runpy.run_module("tff_retail.store", run_name="__main__", alter_sys=True)
