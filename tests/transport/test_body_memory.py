import mmap

import numpy as np
import pytest

from tff_retail.transport.body_memory import BodyMemory

_PAGE = mmap.PAGESIZE


def _view(pages):
    return memoryview(pages).toreadonly()


def test_what_is_given_back_serves_again():
    memory = BodyMemory(10 * _PAGE)
    pages = memory.take(4 * _PAGE)
    view = _view(pages)
    memory.give_back(view)
    with pytest.raises(ValueError, match="released"):
        bytes(view)
    assert memory.take(3 * _PAGE) is pages
    assert memory.take(3 * _PAGE) is not pages


def test_pages_that_an_array_refers_to_are_left_to_it():
    memory = BodyMemory(10 * _PAGE)
    pages = memory.take(_PAGE)
    pages[:4] = b"\x01\x02\x03\x04"
    array = np.frombuffer(memoryview(pages), np.uint8)
    memory.give_back(_view(pages))
    assert memory.take(_PAGE) is not pages
    assert array[:4].tolist() == [1, 2, 3, 4]


def test_pages_that_a_slice_refers_to_are_left_to_it():
    memory = BodyMemory(10 * _PAGE)
    pages = memory.take(_PAGE)
    view = _view(pages)
    part = view[:4]
    memory.give_back(view)
    assert memory.take(_PAGE) is not pages
    assert bytes(part) == bytes(4)


def test_no_more_is_kept_than_allowed():
    memory = BodyMemory(3 * _PAGE)
    first, second = memory.take(2 * _PAGE), memory.take(2 * _PAGE)
    memory.give_back(_view(first))
    memory.give_back(_view(second))
    assert memory.take(2 * _PAGE) is first
    assert memory.take(2 * _PAGE) is not second


def test_pages_of_another_size_are_not_kept_beside():
    memory = BodyMemory(100 * _PAGE)
    large = memory.take(50 * _PAGE)
    memory.give_back(_view(large))
    memory.take(_PAGE)
    assert memory.take(50 * _PAGE) is not large


def test_a_body_of_one_message_has_no_pages():
    memory = BodyMemory(100)
    message = b"whole"
    memory.give_back(memoryview(message))
    assert message == b"whole"
