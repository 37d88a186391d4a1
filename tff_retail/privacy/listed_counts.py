"""Whether the arrays that a policy lists by name hold what they are listed for: counts.

An array of 1500 numbers of any kind has room for photographs. Counts of a store's photographs have
hardly any: whole numbers from 0, all of them together no more than there are photographs.
"""

from collections.abc import Iterator

from tff_retail.privacy.egress_contract import EgressContract, output_name
from tff_retail.privacy.protobuf_fields import MalformedMessage, read_fields, the_field
from tff_retail.privacy.refused import Refused
from tff_retail.privacy.value_type import StructType, TensorType, ValueType

# Fields of TFF's messages.
_RESPONSE_VALUE = 1
_VALUE_STRUCT, _VALUE_ARRAY = 3, 6
_ELEMENT_VALUE, _CONTENT = 2, 18


def check_listed_counts(
    answer: memoryview, contract: EgressContract, path: tuple[int, ...], *, num_examples: int
) -> None:
    """Returns where the listed arrays of an answer are counts of at most so many photographs.

    Args:
      answer: found good by `check_egress_form`.
      contract: of the graph.
      path: positions of the part of its result that the answer is.
      num_examples: photographs behind it.

    Raises:
      Refused: an array holds other numbers.
    """
    kind, names = contract.type.gives, []
    for index in path:
        assert isinstance(kind, StructType)  # the answer was of that part's form
        name, kind = kind.elements[index]
        names.append(name or str(index))
    for found, tensor, content in _arrays(the_field(answer, _RESPONSE_VALUE), kind, tuple(names)):
        name = output_name("/".join(found))
        if name in contract.release.vectors or name in contract.release.per_label:
            counts = content.cast("q" if tensor.dtype == "int64" else "i")  # no other passes
            if min(counts, default=0) < 0 or sum(counts) > num_examples:
                raise Refused(
                    "not_counts",
                    f"{name!r:.100} must count the {num_examples} photographs behind it, each once "
                    "at most, found other numbers",
                )


def _arrays(
    value: memoryview, kind: ValueType, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], TensorType, memoryview]]:
    if isinstance(kind, StructType):
        elements = read_fields(the_field(value, _VALUE_STRUCT))
        for position, (element, (name, inner)) in enumerate(
            zip(elements, kind.elements, strict=True)
        ):
            part = _payload(element.payload, _ELEMENT_VALUE)
            yield from _arrays(part, inner, (*path, name or str(position)))
    elif isinstance(kind, TensorType) and kind.shape:
        yield path, kind, _payload(the_field(value, _VALUE_ARRAY), _CONTENT)


def _payload(message: memoryview, number: int) -> memoryview:
    found = [field.payload for field in read_fields(message) if field.number == number]
    if len(found) != 1:
        raise MalformedMessage("not one field where one is to be")
    return found[0]
