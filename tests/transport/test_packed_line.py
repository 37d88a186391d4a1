import asyncio

import pytest

from tff_retail.transport.packed_line import PackedLine

PART = [memoryview(bytes(100_000))]  # zeros: well worth packing
MESSAGE = bytes(1024 * 1024)


class _Line:
    """A line of a speed, with a clock of its own."""

    def __init__(self, bytes_per_s: float) -> None:
        self.bytes_per_s, self.time_s = bytes_per_s, 0.0
        self.packed = PackedLine(self._write, lambda: self.time_s)

    async def _write(self, message: bytes) -> None:
        self.time_s += len(message) / self.bytes_per_s

    def send(self, num_messages: int, message: bytes = MESSAGE) -> bool:
        """Whether parts are packed after so many messages."""

        async def send() -> None:
            for _ in range(num_messages):
                await self.packed.write(message)

        asyncio.run(send())
        return self.packed.pack(PART) is not None


@pytest.mark.parametrize(("bytes_per_s", "is_packed"), [(8.9e6, True), (9.1e6, False)])
def test_a_line_is_packed_for_where_that_saves_time(bytes_per_s, is_packed):
    line = _Line(bytes_per_s)
    assert line.send(7)  # not known yet: buffers take the first megabytes
    assert line.send(1) is is_packed


def test_a_line_that_becomes_slower_is_packed_for_again():
    line = _Line(1e9)
    assert not line.send(20)
    line.bytes_per_s = 1e6
    assert line.send(3)
    line.bytes_per_s = 1e9
    assert not line.send(60)


def test_small_frames_say_nothing_of_a_line():
    assert _Line(1e12).send(1000, bytes(20_000))
