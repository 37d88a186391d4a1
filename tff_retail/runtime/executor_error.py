"""Why an executor refuses or fails a call, as the caller may know it."""

import grpc


class ExecutorError(Exception):
    """A call came to nothing.

    The message is `<rule>: <sentence>`: a short name for programs, then what people read. It says
    nothing of the store's files and photographs.

    Args:
      status: the gRPC status.
      rule: what was broken, such as `own_results_only`, or how the work failed.
      sentence: for people.
    """

    def __init__(self, status: grpc.StatusCode, rule: str, sentence: str) -> None:
        super().__init__(f"{rule}: {sentence}")
        self.status = status
        self.rule = rule

    @property
    def code(self) -> int:
        """The status as a number, as the link carries it."""
        return int(self.status.value[0])


def malformed(sentence: str) -> ExecutorError:
    """The error for a request that contradicts itself or the protocol."""
    return ExecutorError(grpc.StatusCode.INVALID_ARGUMENT, "malformed_request", sentence)


def refused(rule: str, sentence: str) -> ExecutorError:
    """The error for a request that a store grants to nobody."""
    return ExecutorError(grpc.StatusCode.PERMISSION_DENIED, rule, sentence)


def too_much(sentence: str) -> ExecutorError:
    """The error for a request beyond a store's bounds."""
    return ExecutorError(grpc.StatusCode.RESOURCE_EXHAUSTED, "too_much", sentence)
