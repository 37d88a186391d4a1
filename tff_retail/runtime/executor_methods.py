"""The calls of TFF's executor protocol, service `ExecutorGroup`; without TensorFlow."""

EXECUTOR_METHODS = (
    "GetExecutor",
    "CreateValue",
    "CreateCall",
    "CreateStruct",
    "CreateSelection",
    "Compute",
    "Dispose",
    "DisposeExecutor",
)
