"""`python -m tff_retail.store` whose executor is taken over: see `attacking_executor`."""

import runpy

from tff_retail.program import executor_supervisor

if __name__ == "__main__":
    executor_supervisor._MODULE = "tests.integration.attacking_executor"
    runpy.run_module("tff_retail.store", run_name="__main__", alter_sys=True)
