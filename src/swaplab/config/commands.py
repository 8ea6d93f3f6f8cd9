"""The keys of all commands except `swaplab train`, with type, range, unit, meaning and default."""

from typing import Annotated, Literal

from pydantic import Field, with_config
from typing_extensions import TypedDict

from swaplab.config.train import Resolution, Threads
from swaplab.config.values import STRICT, Default, Number, Text, Whole

NONE = Default(None)
Weights = Annotated[
    Literal["final", "best"],
    Field(description="averaged weights at the end of training or at the best validation value"),
    Default("final"),
]
Run = Annotated[Text, Field(description="folder, NAME/ID, the beginning of an ID, NAME if it has one run, or last")]
Runs = Annotated[Text, Field(description="folder that holds the runs"), Default("runs")]
Folders = Annotated[list[Text], Field(min_length=1)] | None
Overwrite = Annotated[bool, Field(description="replace an existing output"), Default(False)]
Device = Annotated[Text, Field(description="auto (the first GPU, else the CPU), cpu, cuda or cuda:N"), Default("auto")]
Cores = Annotated[Threads, Field(description="CPU threads; none: torch's own choice"), NONE]


@with_config(STRICT)
class Detector(TypedDict):
    """Face detection."""

    min_face: Annotated[Number, Field(ge=10, description="smallest face to detect, in input pixels"), Default(40)]
    probability: Annotated[Number, Field(ge=0, le=1, description="minimum detection probability"), Default(0.9)]
    longest_side: Annotated[
        Whole, Field(ge=64, description="shrink larger frames to this size for detection, in pixels"), Default(960)
    ]


@with_config(STRICT)
class Demo(TypedDict):
    """Keys of `swaplab demo`."""

    seed: Annotated[Whole, Field(ge=0, lt=2**32, description="of initialisation, data order and noise"), Default(1)]
    images: Annotated[
        Annotated[Whole, Field(ge=1)] | None,
        Field(description="faces to train on; none: 45,000 (experiment=demo)"),
        NONE,
    ]
    runs: Runs


@with_config(STRICT)
class Evaluate(TypedDict):
    """Keys of `swaplab evaluate`."""

    run: Run
    split: Annotated[Literal["val", "test"], Field(description="use test only for final results"), Default("val")]
    weights: Weights
    clip: Annotated[
        bool, Field(description="write clips of rendered people: source, swap and true swap, marked"), Default(True)
    ]
    device: Device
    threads: Cores
    runs: Runs


@with_config(STRICT)
class Convert(TypedDict):
    """Keys of `swaplab convert`."""

    run: Run
    input: Annotated[Text, Field(description="a picture or video")]
    output: Annotated[Text, Field(description="a new file: .mp4 or .mov for a video, .png or .jpg for a picture")]
    overwrite: Overwrite
    source: Annotated[
        Text | None, Field(description="identity in the input; none: the run's first except target"), NONE
    ]
    target: Annotated[Text | None, Field(description="identity to show; none: the run's first except source"), NONE]
    weights: Weights
    faces: Annotated[
        Literal["largest", "all"],
        Field(description="largest: only the face with the largest total area over its track"),
        Default("largest"),
    ]
    colour: Annotated[
        Literal["statistics", "none"],
        Field(description="statistics: match the colours of the replaced face; none: keep the network's colours"),
        Default("statistics"),
    ]
    alpha: Annotated[
        Literal["learned_and_hull", "hull"],
        Field(description="blend with the network's mask inside the landmark hull, or with the hull alone"),
        Default("learned_and_hull"),
    ]
    feather: Annotated[
        Number, Field(ge=0, le=0.5, description="width of the soft edge, as a share of the face's side"), Default(0.1)
    ]
    label: Annotated[Text, Field(description="text on every frame"), Default("AI-altered")]
    disclosure_elsewhere: Annotated[
        Text | None, Field(description="where the audience is informed instead; removes the label"), NONE
    ]
    detector: Detector
    device: Device
    threads: Cores
    runs: Runs


@with_config(STRICT)
class Limits(TypedDict):
    """Limits below which a face gets a flag; training skips flagged faces (data.skip_flags)."""

    sharpness: Annotated[Number, Field(ge=0, description="faces below this get the flag blurred"), Default(0.04)]
    side: Annotated[
        Annotated[Number, Field(ge=0)] | None,
        Field(description="faces below this get the flag small, in input pixels; none: 3/4 of the resolution"),
        NONE,
    ]
    probability: Annotated[Number, Field(ge=0, le=1, description="faces below this get the flag unsure"), Default(0.95)]


@with_config(STRICT)
class Extract(TypedDict):
    """Keys of `swaplab extract`."""

    input: Annotated[Text, Field(description="pictures, videos or folders of them, separated by commas")]
    identity: Annotated[Text, Field(description="a name for the person")]
    output: Annotated[Text, Field(description="a new folder")]
    ground: Annotated[
        Literal["self", "consent", "licensed", "synthetic"] | None,
        Field(description="why this face may be used; required"),
        NONE,
    ]
    statement: Annotated[Text | None, Field(description="ground=consent: a YAML file with who, scope, date"), NONE]
    licence: Annotated[Text | None, Field(description="ground=licensed: name of the licence"), NONE]
    link: Annotated[Text | None, Field(description="ground=licensed: link to the licence"), NONE]
    resolution: Annotated[Resolution, Default(64)]
    every: Annotated[Whole, Field(ge=1, description="use every n-th frame of a video"), Default(1)]
    detector: Detector
    limits: Limits
    device: Device
    sheet: Annotated[Whole, Field(ge=0, description="faces on the contact sheet; 0: no sheet"), Default(24)]


@with_config(STRICT)
class Clip(TypedDict):
    """Videos of the identities beside their true swaps."""

    seconds: Annotated[Number, Field(ge=0, le=3600, description="length of each clip; 0: no clips"), Default(4)]
    rate: Annotated[Whole, Field(ge=1, le=240, description="frames per second"), Default(25)]
    size: Annotated[Whole, Field(ge=16, le=4096, multiple_of=2, description="side in pixels"), Default(256)]


@with_config(STRICT)
class Render(TypedDict):
    """Keys of `swaplab render` besides data keys."""

    output: Annotated[Text, Field(description="a new folder"), Default("rendered")]
    video: Clip


@with_config(STRICT)
class Report(TypedDict):
    """Keys of `swaplab report`."""

    run: Annotated[Folders, Field(description="a run; repeat it for several"), NONE]
    group: Annotated[Folders, Field(description="a folder of runs (levels and seeds); repeat it for several"), NONE]
    metric: Annotated[Text | None, Field(description="the metric of a group to show first"), NONE]
    mixed_precision: Annotated[bool, Field(description="compare runs of different precision"), Default(False)]
    output: Annotated[
        Text | None, Field(description="file to write; none: report.html in the folder of the run or group"), NONE
    ]
    runs: Runs


@with_config(STRICT)
class AblationList(TypedDict):
    """Keys of `swaplab ablation list`."""

    runs: Runs


@with_config(STRICT)
class AblationReport(TypedDict):
    """Keys of `swaplab ablation report`."""

    mixed_precision: Annotated[bool, Field(description="compare runs of different precision"), Default(False)]
    output: Annotated[
        Text | None, Field(description="file to write; none: report.html, .md and .csv in its folder"), NONE
    ]
    runs: Runs


@with_config(STRICT)
class ResolvedTrain(TypedDict):
    """Keys of `swaplab train resolved=FILE`."""

    resolved: Annotated[Text, Field(description="file with the resolved config of a run")]
    evaluate: Annotated[Literal["val", "test"] | None, Field(description="evaluate the run on this split"), NONE]
