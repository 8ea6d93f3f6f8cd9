"""Times that rise, whatever a container says."""

from fractions import Fraction

# Seconds that a time stamp steps back where recordings were joined; less is rounding or a careless program.
JOIN = Fraction(1, 4)


class Rising:
    """The time stamps of one stream, in units of ``time_base``, made to rise.

    A stamp that steps back by more than `JOIN` begins a new part: it follows the last one, and all after it move by the
    same shift. ``shifts`` are those of the parts so far, in seconds; ``mended`` counts stamps that stepped back or were
    repeated.
    """

    def __init__(self, time_base: Fraction) -> None:
        self.time_base = time_base
        self.shifts = [Fraction(0)]
        self.mended = 0
        self._stated: int | None = None
        self._last: int | None = None

    def __call__(self, stamp: int | None, duration: int) -> int:
        """The time of the next frame, which the container says is ``stamp``; None: ``duration`` after the last."""
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
