"""Write a converted file with all of its marks, read back and verified, or no file at all."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from swaplab.errors import UserError
from swaplab.marking import credentials
from swaplab.marking.claim import Claim
from swaplab.marking.sidecar import sidecar_of, sidecar_text
from swaplab.marking.signer import SigningKey, signing_key
from swaplab.marking.verify import verify
from swaplab.unfinished import unfinished_folder

# supported output formats: those that can carry content credentials
SUFFIXES: dict[str, Literal["picture", "video"]] = {
    ".mp4": "video",
    ".mov": "video",
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
}
LONGEST_NAME = 255


def check_output(output: Path, source: Path, overwrite: bool = False) -> None:
    """Raises UserError if ``output`` cannot or must not be written, before any work is done.

    Refused: a suffix that cannot be marked, ``source`` itself under any name, a folder that is missing or read-only,
    and, unless ``overwrite``, an existing file or sidecar.
    """
    suffix, known = output.suffix.lower(), ", ".join(SUFFIXES)
    if suffix in {".mkv", ".webm"}:
        raise UserError(f"{output}: Matroska files cannot carry content credentials; use .mp4")
    if suffix not in SUFFIXES:
        raise UserError(f"{output}: '{suffix}' files cannot be written and marked; use one of {known}")
    if not output.parent.is_dir():
        raise UserError(f"{output}: folder {output.parent} does not exist; create it first")
    if len(os.fsencode(sidecar_of(output).name)) > LONGEST_NAME:
        raise UserError(f"{output}: the name is too long to add '.json' for the sidecar; choose a shorter one")
    if output.is_dir():
        raise UserError(f"{output} is a folder; give the name of a file in it")
    if output.exists() and source.exists() and os.path.samefile(output, source):
        raise UserError(f"{output} is the original, which is never changed; choose another output")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise UserError(f"{output}: folder {output.parent} is read-only; choose another output")
    for path in (output, sidecar_of(output)):
        if not os.path.lexists(path):
            continue
        if not overwrite:
            raise UserError(f"{path} already exists; choose another output or set overwrite=true")
        if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
            raise UserError(f"{path} is read-only or a folder and cannot be replaced; choose another output")


def write_marked(
    output: Path,
    original: Path,
    claim: Claim | Callable[[], Claim],
    produce: Callable[[Path], None],
    overwrite: bool = False,
    trial: Callable[[Path], None] | None = None,
) -> Path:
    """Write ``output`` and its sidecar; returns the sidecar's path.

    ``produce`` writes the media, including the label, to the given path; ``claim``, if callable, is called after that.
    The result is signed, read back, checked by `verify`, and renamed into place. ``trial`` writes a short beginning,
    which is signed and checked before ``produce`` starts its long work. If anything fails, neither file is written, no
    temporary file is left, and previous files stay. ``original`` is only read. Raises UserError if the output is
    refused (`check_output`) or a mark is not in the file.
    """
    check_output(output, original, overwrite)
    # fail before hours of work, not after
    credentials.library()
    key = signing_key()
    credentials.check_parent(original)
    with _folder_beside(output) as folder:
        try:
            if trial is not None:
                _signed(folder / f"trial{output.suffix}", None, claim, trial, key)
            signed = _signed(folder / f"unsigned{output.suffix}", original, claim, produce, key)
            check_output(output, original, overwrite)
            _publish([(sidecar_of(signed), sidecar_of(output)), (signed, output)], folder)
        except OSError as error:
            raise UserError(f"{output} could not be written ({error}); no output was kept") from None
    return sidecar_of(output)


def _signed(
    unsigned: Path,
    original: Path | None,
    claim: Claim | Callable[[], Claim],
    produce: Callable[[Path], None],
    key: SigningKey,
) -> Path:
    """The media that ``produce`` writes to ``unsigned``, signed, with its sidecar, and with all marks verified.

    ``original``: the edited file in the credentials; None: the unsigned media, which is enough for a trial.
    """
    signed = unsigned.with_stem("signed")
    produce(unsigned)
    stated = claim if isinstance(claim, Claim) else claim()
    if stated.kind != SUFFIXES[unsigned.suffix.lower()]:
        raise ValueError(f"the claim is about a {stated.kind}, but the output is a {unsigned.suffix} file")
    credentials.sign(unsigned, signed, stated, original or unsigned, key)
    unsigned.unlink()
    _read_back(signed, stated)
    return signed


@contextmanager
def _folder_beside(output: Path) -> Iterator[Path]:
    """A temporary folder beside the output. Raises UserError if it cannot be created."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(unfinished_folder(output))
        except OSError as error:
            raise UserError(f"{output}: folder {output.parent} cannot be written ({error.strerror})") from None
        yield folder


def _read_back(signed: Path, stated: Claim) -> None:
    """Write the sidecar and verify all marks. Raises UserError if one is missing or differs from ``stated``."""
    found = credentials.read(signed)
    if found.valid and found.claim != json.loads(json.dumps(stated.as_json())):
        raise UserError("the content credentials differ from those written when read back; no output was kept")
    with sidecar_of(signed).open("w", encoding="utf-8") as file:
        file.write(sidecar_text(signed, found))
        file.flush()
        os.fsync(file.fileno())
    problems = verify(signed).problems
    if problems:
        raise UserError(f"a mark is not in the written file ({'; '.join(problems)}); no output was kept")


def _publish(renames: Sequence[tuple[Path, Path]], folder: Path) -> None:
    """Do all renames or none; replaced files are kept in ``folder`` until all are done."""
    undo: list[tuple[Path, Path]] = []
    try:
        for new, final in renames:
            if os.path.lexists(final):
                aside = folder / f"replaced-{final.name}"
                os.replace(final, aside)
                undo.append((aside, final))
            os.replace(new, final)
            undo.append((final, new))
    except BaseException:
        for now, before in reversed(undo):
            os.replace(now, before)
        raise
