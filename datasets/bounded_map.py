"""Work on several threads with a bound on what waits: `map` without its unbounded queue."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(
    executor: concurrent.futures.Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    max_waiting: int,
) -> Iterator[Result]:
    """Yields `function(item)` in the order of `items`, at most `max_waiting` ahead.

    Raises whatever `function` raises, where its result would stand.
    """
    waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    for item in items:
        waiting.append(executor.submit(function, item))
        if len(waiting) >= max_waiting:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
