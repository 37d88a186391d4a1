import asyncio

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff

from tff_retail.runtime import context, program_context


@tff.tensorflow.computation(np.int32)
def _double(number):
    return 2 * number


@tff.federated_computation(
    tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
)
def _next(state, value):
    return tff.federated_map(_double, state), tff.federated_sum(value)


def test_a_program_invokes_and_materialises():
    async def program():
        stack = tff.framework.get_context_stack()
        async_context = program_context.AsyncRoundFormContext(context.RoundFormContext())
        with stack.install(tff.program.NativeFederatedContext(async_context)):
            tff.program.check_in_federated_context()
            first, total = _next(1, [10, 20])
            assert isinstance(total, tff.program.MaterializableValueReference)
            second, _ = _next(first, [1])
            return await tff.program.materialize_value((second, total, _double(first)))

    assert asyncio.run(program()) == (4, 30, 4)


def test_other_tasks_go_on_while_a_computation_runs():
    has_gone_on = asyncio.Event()

    def wait_for_others(number):
        assert asyncio.run_coroutine_threadsafe(has_gone_on.wait(), loop).result(30)
        return number

    @tff.tensorflow.computation(tff.SequenceType(np.int32))
    def first(data):
        return data.reduce(np.int32(0), lambda state, number: number)

    dataset = tf.data.Dataset.range(1).map(
        lambda _: tf.ensure_shape(tf.py_function(wait_for_others, [5], tf.int32), [])
    )

    async def program():
        nonlocal loop
        loop = asyncio.get_running_loop()
        async_context = program_context.AsyncRoundFormContext(context.RoundFormContext())
        running = asyncio.create_task(async_context.invoke(first, dataset))
        await asyncio.sleep(0)
        has_gone_on.set()
        return await running

    loop = None
    assert asyncio.run(program()) == 5


def test_installing_makes_it_the_default():
    stack = tff.framework.get_context_stack()
    before = stack._stack[0]
    try:
        installed = program_context.install_program_context(context.RoundFormContext())
        assert stack.current is installed
        assert isinstance(installed, tff.program.FederatedContext)
    finally:
        tff.framework.set_default_context(before)
