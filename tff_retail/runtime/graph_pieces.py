"""Parts of a graph that have nothing to do with each other, so that they can run in turn.

A sum over models is a sum over each of their arrays. Run at once it needs both models and their sum
in memory; run in pieces, whose inputs go as soon as they are used, little more than two of the
three. The operations are the same, and so are the bits.
"""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

# A call of a session costs some 30 µs, as much as an addition of 100 kB: small pieces are joined.
_PIECE_BYTES = 4 * 1024 * 1024


@dataclasses.dataclass(frozen=True)
class GraphPiece:
    """Some of a graph's results, and all that they are computed from.

    Attributes:
      feeds: positions of the tensors that are fed.
      fetches: positions of the results.
    """

    feeds: tuple[int, ...]
    fetches: tuple[int, ...]


def graph_pieces(graph: tf.Graph, feeds: Sequence[str], fetches: Sequence[str]) -> list[GraphPiece]:
    """The pieces of a graph, each with a few megabytes of results at least; one if it has state.

    Args:
      graph: is looked at only.
      feeds: names of the tensors that are fed.
      fetches: names of the results.
    """
    results = [graph.get_tensor_by_name(name) for name in fetches]
    if any(op.op_def.is_stateful for op in graph.get_operations()):
        return [GraphPiece(tuple(range(len(feeds))), tuple(range(len(fetches))))]
    positions = {graph.get_tensor_by_name(name).op: at for at, name in enumerate(feeds)}
    pieces: list[GraphPiece] = []
    for at, result in enumerate(results):
        piece = GraphPiece(tuple(sorted(_feeds_of(result.op, positions))), (at,))
        related = [other for other in pieces if not set(other.feeds).isdisjoint(piece.feeds)]
        pieces = [other for other in pieces if other not in related]
        pieces.append(_joined([*related, piece]))
    return _of_some_size(pieces, [_num_bytes(result) for result in results])


def _feeds_of(op: tf.Operation, positions: dict[tf.Operation, int]) -> set[int]:
    found, seen, waiting = set(), {op}, [op]
    while waiting:
        one = waiting.pop()
        if one in positions:
            found.add(positions[one])
            continue
        before = {*(tensor.op for tensor in one.inputs), *one.control_inputs} - seen
        seen |= before
        waiting += before
    return found


def _of_some_size(pieces: list[GraphPiece], sizes: Sequence[int]) -> list[GraphPiece]:
    grown: list[GraphPiece] = []
    room = 0
    for piece in pieces:
        if grown and room > 0:
            piece = _joined([grown.pop(), piece])
        grown.append(piece)
        room = _PIECE_BYTES - sum(sizes[at] for at in piece.fetches)
    return grown


def _joined(pieces: Sequence[GraphPiece]) -> GraphPiece:
    return GraphPiece(
        tuple(sorted({at for piece in pieces for at in piece.feeds})),
        tuple(sorted(at for piece in pieces for at in piece.fetches)),
    )


def _num_bytes(result: tf.Tensor) -> int:
    """0 where the graph leaves the size open."""
    return (result.shape.num_elements() or 0) * result.dtype.size
