"""TensorFlow's two thread pools, which the first operation of a process fixes."""


def set_threads(*, intra: int, inter: int) -> None:
    """Sets the threads inside an operation and beside one another; 0 is TensorFlow's choice."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(intra)
    tf.config.threading.set_inter_op_parallelism_threads(inter)
