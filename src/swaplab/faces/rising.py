"""Correct the time stamps of a stream so that they always increase."""

from fractions import Fraction

# a time stamp that goes back by more than this many seconds marks a joined recording; less is rounding or carelessness
JOIN = Fraction(1, 4)


class Rising:
    """Makes the time stamps of one stream, in units of ``time_base``, increase.

    A stamp that goes back by more than `JOIN` starts a new segment: it is placed after the previous one, and all stamps
    of the segment move by the same shift. ``shifts``: the shifts of the segments so far, in seconds. ``mended``: number
    of stamps that went back or repeated.
    """

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base
        self.shifts = [Fraction(0)]
        self.mended = 0
        self._stated: int | None = None
        self._last: int | None = None

    def __call__(self, stamp: int | None, duration: int) -> int:
        """The corrected time of the next frame, given its ``stamp``; for None, ``duration`` after the last."""
        if self._last is None:
            self._stated, self._last = stamp, stamp or 0
            return self._last
        if stamp is None:
            self._last += duration
            return self._last
        if self._stated is not None and stamp <= self._stated:
            self.mended += 1
            if (self._stated - stamp) * self.time_base > JOIN:
                self.shifts.append((self._last + duration - stamp) * self.time_base)
        self._stated = stamp
        self._last = max(stamp + round(self.shifts[-1] / self.time_base), self._last + 1)
        return self._last
