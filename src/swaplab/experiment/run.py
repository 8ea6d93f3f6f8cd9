"""A recorded run as an object: swap faces in arrays, convert files, measure, read its numbers."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from swaplab.config.commands import Convert
from swaplab.config.keys import completed
from swaplab.devices import device_named
from swaplab.errors import UserError
from swaplab.experiment.arrays import Images, faces_of
from swaplab.experiment.conversion import Conversion, convert
from swaplab.experiment.evaluation import evaluate
from swaplab.experiment.recorded import RecordedFaces, load_model, recorded_config, recorded_faces
from swaplab.metrics.evaluation import Evaluation
from swaplab.metrics.swapping import swapped
from swaplab.networks.swap_model import SwapModel
from swaplab.places import expanded
from swaplab.progress import Advance, silent
from swaplab.runs.naming import run_folder
from swaplab.runs.record import RunRecord

PARTS = ("raw", "mask", "composed")


class Run:
    """A run folder. `Run.open` finds it by any name that commands accept.

    Weights are read once for each device, when they are first used.
    """

    def __init__(self, folder: str | Path) -> None:
        """Raises UserError if the folder is not a run or its record is damaged."""
        self.folder = expanded(folder)
        self.record = RunRecord.load(self.folder)
        self._models: dict[tuple[str, str], tuple[SwapModel, str]] = {}

    @classmethod
    def open(cls, run: str | Path, runs: str | Path = "runs") -> "Run":
        """The run with a name: a folder, NAME/ID, the beginning of an ID, NAME if it has one run, or ``last``.

        ``runs``: the folder that holds the runs. Raises UserError, with the nearest names, if there is no such run.
        """
        return cls(run_folder(expanded(runs), str(run)))

    @property
    def status(self) -> str:
        """The status now: preparing, running, complete, diverged, interrupted or failed."""
        return RunRecord.load(self.folder).status

    @cached_property
    def config(self) -> dict[str, Any]:
        """The checked config. Raises UserError if it is invalid, untrusted or from another version."""
        return recorded_config(self.record)

    @cached_property
    def faces(self) -> RecordedFaces:
        """Identities and alignment of the faces that the run was trained on."""
        return recorded_faces(self.record)

    def metrics(self) -> dict[str, float]:
        """The newest value of every metric by its full name: of training, evaluations and cost."""
        return RunRecord.load(self.folder).values()

    def model(self, weights: str = "final", device: str = "auto") -> SwapModel:
        """The averaged generator. ``weights``: ``final`` or ``best``; ``device``: auto, cpu, cuda or cuda:N.

        Raises UserError if the weights or the device are missing, or the weights do not fit.
        """
        return self._loaded(weights, device)[0]

    def _loaded(self, weights: str, device: str) -> tuple[SwapModel, str]:
        """The model, and the SHA-256 of its weights."""
        place = device_named(device)
        key = weights, str(place)
        if key not in self._models:
            self._models[key] = load_model(self.record, self.config, weights, place)
        return self._models[key]

    def swap(
        self,
        images: Images,
        source: str,
        target: str,
        *,
        part: Literal["raw", "mask", "composed"] = "composed",
        weights: str = "final",
        device: str = "auto",
    ) -> Images:
        """Aligned faces of ``source`` as ``target``; the same identity twice gives the reconstruction.

        ``images``: RGB faces of side ``faces.alignment.region``: NumPy (R, R, 3) or (n, R, R, 3), or torch (3, R, R) or
        (n, 3, R, R); uint8, or floats in [0, 1]. The answer has the same kind, dtype, device and size; with
        ``part="mask"`` one channel, in the same range. It has no marks: `convert` makes files that say what they are.
        Raises UserError for images of another kind, size or range, an unknown identity, and a mask that the run does
        not have.
        """
        if part not in PARTS:
            raise UserError(f"part={part} must be one of {', '.join(PARTS)}")
        for name in (source, target):
            if name not in self.faces.identities:
                raise UserError(
                    f"{name} is not an identity of this run; choose from {', '.join(self.faces.identities)}"
                )
        faces, form = faces_of(images, self.faces.alignment.region)
        found = dict(zip(PARTS, swapped(self.model(weights, device), faces, source, target, None), strict=True))[part]
        if found is None:
            raise UserError(f"{self.folder} has no mask: its generator puts out the whole face; use part=composed")
        answer: Images = form.put(found.clone())
        return answer

    def evaluate(
        self,
        split: str = "val",
        weights: str = "final",
        *,
        device: str = "auto",
        clip: bool = True,
        progress: Advance = silent,
    ) -> list[Evaluation]:
        """Measure the run on held-out clips, one evaluation per direction, and write them as `swaplab evaluate` does.

        ``clip``: write clips of rendered people. Raises UserError if the run has no weights or its data are missing.
        """
        model, digest = self._loaded(weights, device)
        how: dict[str, Any] = {"split": split, "weights": weights, "clip": clip, "progress": progress}
        return evaluate(self.record, self.config, model, digest, **how)

    def convert(
        self, input: str | Path, output: str | Path, *, progress: Advance = silent, **settings: Any
    ) -> Conversion:
        """Swap the face in a picture or video, and mark the output, as `swaplab convert` does.

        ``settings``: its other keys, such as ``source``, ``target``, ``weights``, ``device``, ``label``. If it raises
        UserError, no file is left.
        """
        for name in {"run", "runs", "threads"} & settings.keys():
            raise UserError(f"{name} is a key of the command swaplab convert only; remove it")
        names = {"run": self.folder, "input": input, "output": output}
        keys = completed(Convert, settings | {name: str(value) for name, value in names.items()})
        source, made = (expanded(keys[name]) for name in ("input", "output"))
        return convert(self.record, self._loaded, source, made, keys, progress)
