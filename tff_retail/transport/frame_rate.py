"""A bound on how many frames come in a time: a token bucket, without a clock of its own."""

from tff_retail.transport.link_faults import PeerFault


class FrameRate:
    """Counts frames; the bucket is full at first.

    Args:
      per_second: frames in the long run.
      burst: frames at a time.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._last_s: float | None = None

    def count(self, now_s: float) -> None:
        """Counts a frame at a time of a monotonic clock.

        Raises:
          PeerFault: there were too many.
        """
        passed_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        self._left = min(self._burst, self._left + passed_s * self._per_second)
        if self._left < 1.0:
            raise PeerFault(f"At most {self._per_second:g} frames a second may come")
        self._left -= 1.0
