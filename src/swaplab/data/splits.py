"""Split faces into train, val and test by whole clips."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from swaplab.errors import UserError
from swaplab.faces.faceset import SPLITS, FaceRecord, Faceset
from swaplab.randomness import key_of

GAP = 1.0  # seconds between blocks of one clip
_HELD_OUT = 0.1  # share of val, and of test


def split(faceset: Faceset, test_clips: Collection[str] = ()) -> tuple[Faceset, frozenset[str]]:
    """The faceset with the ``split`` of every record set, and the names of its weak splits.

    Splits declared by the source stay. Else whole clips are drawn, about 80/10/10, at least one each; if the faceset
    has any of ``test_clips``, those are the test split. With too few clips, each is cut into blocks in time, faces less
    than a second after a block are dropped, and the held-out blocks are *weak* splits, because frames of one clip
    resemble each other. Raises UserError if only some faces declare a split, and if a split is empty.
    """
    declared = {record.split for record in faceset.records}
    weak: frozenset[str] = frozenset()
    if declared - {None}:
        if not declared <= set(SPLITS):
            wrong = next(record for record in faceset.records if record.split not in SPLITS)
            raise UserError(
                f"faceset {faceset.folder}: {wrong.file} has split '{wrong.split}', while other faces declare one; "
                f"give every face one of {', '.join(SPLITS)}, or none"
            )
        if test_clips:
            raise UserError(
                f"faceset {faceset.folder} declares its splits, so data.test_clips has no effect; remove it"
            )
        records = list(faceset.records)
    else:
        apart = [replace(record, split="test") for record in faceset.records if record.clip in test_clips]
        rest = [record for record in faceset.records if record.clip not in test_clips]
        drawn = ("val",) if apart else ("val", "test")
        clips = sorted({record.clip for record in rest})
        if len(clips) <= len(drawn):
            weak = frozenset(drawn)
            rest = list(_blocks(rest, clips, drawn))
        else:
            rest = list(_whole_clips(rest, clips, drawn, faceset.identity))
        records = [*rest, *apart]
    found = {record.split for record in records}
    for name in SPLITS:
        if name not in found:
            raise UserError(
                f"faceset {faceset.folder} has no faces for split {name} ({len(faceset.records)} faces over "
                f"{_seconds(faceset):.1f} s); add clips: at least three, or one of more than {10 * GAP:.0f} s"
            )
    return replace(faceset, records=tuple(records)), weak


def of_split(faceset: Faceset, name: str) -> Faceset:
    """The records of one split, in order."""
    return faceset.select([i for i, record in enumerate(faceset.records) if record.split == name])


def _whole_clips(
    records: list[FaceRecord], clips: list[str], held_out: tuple[str, ...], identity: str
) -> Iterator[FaceRecord]:
    """Assign whole clips to splits, drawn by name, so that every run and seed has the same splits."""
    drawn = iter(sorted(clips, key=lambda clip: key_of(0, "split", identity, clip)))
    count = max(1, round(_HELD_OUT * len(clips)))
    splits = dict.fromkeys(clips, "train")
    for name in reversed(held_out):
        splits |= {next(drawn): name for _ in range(count)}
    return (replace(record, split=splits[record.clip]) for record in records)


def _blocks(records: list[FaceRecord], clips: list[str], held_out: tuple[str, ...]) -> Iterator[FaceRecord]:
    times = {clip: [r.time for r in records if r.clip == clip] for clip in clips}
    for record in records:
        begin, end = min(times[record.clip]), max(times[record.clip])
        name = _block(record.time - begin, end - begin - len(held_out) * GAP, held_out)
        if name is not None:
            yield replace(record, split=name)


def _block(time: float, usable: float, held_out: tuple[str, ...]) -> str | None:
    """The split at ``time`` seconds into a clip that has ``usable`` seconds without gaps; None in a gap."""
    begins, share = 0.0, 1 - _HELD_OUT * len(held_out)
    for name in ("train", *held_out):
        ends = begins + share * usable
        if begins <= time <= ends or (name == held_out[-1] and time >= begins):
            return name
        begins, share = ends + GAP, _HELD_OUT
    return None


def _seconds(faceset: Faceset) -> float:
    times = [record.time for record in faceset.records] or [0.0]
    return max(times) - min(times)
