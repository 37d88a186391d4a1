"""A `tff.program.FederatedContext` on the round form: TFF's programs over our stores.

    install_program_context(RoundFormContext(stores=stores, seed=1))
    source = StoreDataSource(sorted(stores), process.next.type_signature.parameter[1], seed=1)
    asyncio.run(tff.learning.programs.train_model(train_data_source=source, ...))

Results are then references that a program materialises; for plain values install
`context.RoundFormContext` itself.
"""

import asyncio
from typing import Any

import tensorflow_federated as tff

from tff_retail.runtime.context import RoundFormContext


class AsyncRoundFormContext(tff.framework.AsyncContext):
    """Runs computations in threads, so that a program's tasks go on meanwhile.

    Args:
      context: that runs them.
    """

    def __init__(self, context: RoundFormContext) -> None:
        self._context = context

    async def invoke(self, comp: tff.framework.ConcreteComputation, arg: Any) -> Any:
        """See `RoundFormContext.invoke`."""
        if asyncio.iscoroutine(arg):
            arg = await arg
        return await asyncio.to_thread(self._context.invoke, comp, arg)


def install_program_context(context: RoundFormContext) -> tff.program.FederatedContext:
    """Makes `context` TFF's default context of this thread, in the form that programs want."""
    program_context = tff.program.NativeFederatedContext(AsyncRoundFormContext(context))
    tff.framework.set_default_context(program_context)
    return program_context
