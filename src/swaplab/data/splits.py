"""Which faces are trained on and which are held out: whole clips, never frames of a clip that is trained
on."""

from collections.abc import Iterator
from dataclasses import replace

from swaplab.errors import UserError
from swaplab.faces.faceset import SPLITS, FaceRecord, Faceset
from swaplab.randomness import key_of

GAP = 1.0  # seconds between blocks of one clip
_TRAIN, _HELD_OUT = 0.8, 0.1


def split(faceset: Faceset) -> tuple[Faceset, bool]:
    """The faceset with every record's ``split`` set, and whether the split is weak.

    Splits that the source declared stay. Else whole clips are drawn, about 80/10/10 and at least one each.
    With fewer than three clips, each clip is cut into three blocks in time; faces less than a second behind
    a block are dropped, and the split is weak: frames of one clip resemble each other. Raises UserError
    where only some faces declare a split, and where a split comes out empty.
    """
    declared = {record.split for record in faceset.records}
    weak = False
    if declared - {None}:
        if not declared <= set(SPLITS):
            wrong = next(record for record in faceset.records if record.split not in SPLITS)
            raise UserError(
                f"faceset {faceset.folder}: {wrong.file} has split '{wrong.split}' where others declare one; "
                f"give every face one of {', '.join(SPLITS)}, or none"
            )
        records = list(faceset.records)
    else:
        clips = sorted({record.clip for record in faceset.records})
        weak = len(clips) < len(SPLITS)
        records = list(_blocks(faceset, clips) if weak else _whole_clips(faceset, clips))
    found = {record.split for record in records}
    for name in SPLITS:
        if name not in found:
            raise UserError(
                f"faceset {faceset.folder} has no faces for {name}: {len(faceset.records)} faces, "
                f"{_seconds(faceset):.1f} s; bring at least three clips, or one of more than {10 * GAP:.0f} s"
            )
    return replace(faceset, records=tuple(records)), weak


def of_split(faceset: Faceset, name: str) -> Faceset:
    """The records of one split, in their order."""
    return faceset.select([i for i, record in enumerate(faceset.records) if record.split == name])


def _whole_clips(faceset: Faceset, clips: list[str]) -> Iterator[FaceRecord]:
    """Clips in an order drawn by name, so that it is the same for every run and seed: test, val, train."""
    drawn = sorted(clips, key=lambda clip: key_of(0, "split", faceset.identity, clip))
    held_out = max(1, round(_HELD_OUT * len(clips)))
    splits = dict.fromkeys(drawn, "train")
    splits |= dict.fromkeys(drawn[:held_out], "test") | dict.fromkeys(drawn[held_out : 2 * held_out], "val")
    return (replace(record, split=splits[record.clip]) for record in faceset.records)


def _blocks(faceset: Faceset, clips: list[str]) -> Iterator[FaceRecord]:
    times = {clip: [r.time for r in faceset.records if r.clip == clip] for clip in clips}
    for record in faceset.records:
        begin, end = min(times[record.clip]), max(times[record.clip])
        name = _block(record.time - begin, end - begin - 2 * GAP)
        if name is not None:
            yield replace(record, split=name)


def _block(time: float, usable: float) -> str | None:
    """The split at ``time`` seconds into a clip, of which ``usable`` seconds remain beside the two gaps."""
    train_ends, val_ends = _TRAIN * usable, (_TRAIN + _HELD_OUT) * usable + GAP
    if time <= train_ends:
        return "train"
    if train_ends + GAP <= time <= val_ends:
        return "val"
    return "test" if time >= val_ends + GAP else None


def _seconds(faceset: Faceset) -> float:
    times = [record.time for record in faceset.records] or [0.0]
    return max(times) - min(times)
