"""The panel: numbered couples of invented people, in disjoint blocks, so that seeds of an experiment are people.

A run of ``data=panel`` with seed k is about couple k: two people whom no other couple shares. What is tuned on one
block is judged on another.
"""

# Regimes, rates and all tuning; the spread of a metric before any question; verdicts.
BLOCKS = {"search": range(1, 17), "floor": range(101, 133), "verdict": range(201, 233)}
MEMBERS = ("a", "b")
FIRST = 10_000  # the panel's people are numbered from here; smaller seeds are free for everybody else


def person_seed(couple: int, member: str) -> int:
    """The seed of the invented person who is ``member`` (a or b) of a couple; different for every couple and member."""
    return FIRST + len(MEMBERS) * couple + MEMBERS.index(member)


def block_of(couple: int) -> str | None:
    """The block of a couple, or None for a number outside all of them."""
    return next((name for name, numbers in BLOCKS.items() if couple in numbers), None)
