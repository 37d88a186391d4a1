"""`python -m tff_retail.store` without TensorFlow, for what happens before any work."""

import runpy

from tff_retail.program import executor_supervisor

if __name__ == "__main__":
    executor_supervisor._MODULE = "tests.integration.idle_executor"
    runpy.run_module("tff_retail.store", run_name="__main__", alter_sys=True)
