"""The keys of the commands besides swaplab-train: type, range, unit and meaning of each."""

from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from swaplab.config.train import Resolution, Synthetic, Threads
from swaplab.config.values import STRICT, Number, Text, Whole

Weights = Annotated[
    Literal["final", "best"],
    Field(description="the averaged generator at the end of training, or of the best validation value"),
]
Run = Annotated[Text, Field(description="the run's folder")]
Folders = Text | Annotated[list[Text], Field(min_length=1)] | None


@with_config(STRICT)
class Detector(TypedDict):
    """How faces are looked for."""

    min_face: Annotated[Number, Field(ge=10, description="smallest face looked for, in pixels of the source")]
    probability: Annotated[Number, Field(ge=0, le=1, description="surer than this it must be")]
    longest_side: Annotated[Whole, Field(ge=64, description="larger frames are searched at this size, in pixels")]


@with_config(STRICT)
class Evaluate(TypedDict):
    """conf/evaluate.yaml."""

    run: Run
    split: Annotated[Literal["val", "test"], Field(description="test is for the final word")]
    weights: Weights
    threads: Threads


@with_config(STRICT)
class Convert(TypedDict):
    """conf/convert.yaml."""

    run: Run
    input: Annotated[Text, Field(description="a picture or a video")]
    output: Annotated[Text, Field(description="a file that does not exist yet")]
    overwrite: Annotated[bool, Field(description="replace an output that is there")]
    source: Annotated[Text | None, Field(description="whose face is in the input")]
    target: Annotated[Text | None, Field(description="who shall be seen")]
    weights: Weights
    faces: Annotated[Literal["largest", "all"], Field(description="one face a frame, or every face that is found")]
    colour: Literal["statistics", "none"]
    alpha: Literal["learned_and_hull", "hull"]
    feather: Annotated[Number, Field(ge=0, le=0.5, description="width of the soft edge, as a part of the face's side")]
    label: Annotated[Text, Field(description="drawn on every frame")]
    disclosure_elsewhere: Annotated[Text | None, Field(description="where the audience is told instead")]
    detector: Detector
    threads: Threads


@with_config(STRICT)
class Limits(TypedDict):
    """Faces below one get a flag."""

    sharpness: Annotated[Number, Field(ge=0)]
    side: Annotated[Annotated[Number, Field(ge=0)] | None, Field(description="in pixels of the source")]
    probability: Annotated[Number, Field(ge=0, le=1)]


@with_config(STRICT)
class Extract(TypedDict):
    """conf/extract.yaml."""

    input: Annotated[Text, Field(description="pictures, videos, folders of them; several with commas")]
    identity: Text
    output: Annotated[Text, Field(description="a folder that does not exist yet")]
    ground: Annotated[
        Literal["self", "consent", "licensed", "synthetic"] | None, Field(description="why this face may be used")
    ]
    statement: Annotated[Text | None, Field(description="of ground=consent: a YAML file with who, scope, date")]
    licence: Annotated[Text | None, Field(description="of ground=licensed: its name")]
    link: Annotated[Text | None, Field(description="of ground=licensed: where it can be read")]
    resolution: Resolution
    every: Annotated[Whole, Field(ge=1, description="each such frame of a video is looked at")]
    detector: Detector
    limits: Limits
    sheet: Annotated[Whole, Field(ge=0, description="faces on the contact sheet; 0 for none")]


@with_config(STRICT)
class Clip(TypedDict):
    """A video of each identity beside its true swaps."""

    seconds: Annotated[Number, Field(ge=0, le=3600, description="0 for no video")]
    rate: Annotated[Whole, Field(ge=1, le=240, description="frames a second")]
    size: Annotated[Whole, Field(ge=16, le=4096, multiple_of=2, description="side in pixels")]


@with_config(STRICT)
class Render(TypedDict):
    """conf/render.yaml."""

    data: Synthetic
    output: Annotated[Text, Field(description="a folder that does not exist yet")]
    video: Clip


@with_config(STRICT)
class Report(TypedDict):
    """conf/report.yaml."""

    run: Annotated[Folders, Field(description="a run's folder, or several")]
    ablation: Annotated[Text | None, Field(description="the name of an ablation, or its folder")]
    group: Annotated[Folders, Field(description="a folder of runs, or several")]
    runs: Annotated[Text, Field(description="the folder of all runs")]
    metric: Annotated[Text | None, Field(description="of a group: what is shown first")]
    mixed_precision: Annotated[bool, Field(description="compare runs of unequal precision")]
    output: Text | None
