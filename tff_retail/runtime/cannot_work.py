"""Why a store's work came to nothing, as a code that may leave the store."""

from tff_retail.runtime.store import StoreFailed


class CannotWork(StoreFailed):
    """A store could not do its work.

    Args:
      code: `no_examples`, `photographs_unreadable`, `out_of_memory`, `took_too_long` or
        `graph_failed`.
      sentence: for the store's own log; may name files.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence, code=code)
