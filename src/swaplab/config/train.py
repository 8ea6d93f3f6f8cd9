"""The keys of conf/train.yaml: type, range, unit and meaning of each. Components are checked by their constructors."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict

from swaplab.config.values import STRICT, Component, FileName, Number, Text, Whole

Images = Annotated[Whole, Field(ge=0)]
Probability = Annotated[Number, Field(ge=0, le=1)]
Degrees = Annotated[Number, Field(ge=0, le=60)]
Resolution = Annotated[Whole, Field(ge=16, le=1024, multiple_of=2, description="side of the face region in pixels")]
Threads = Annotated[Whole, Field(ge=1)] | None
Mask = Literal["face", "eyes", "mouth", "occluder", "hull"]
Network = Literal["generator", "discriminator"]


@with_config(STRICT)
class Counts(TypedDict):
    """A whole number for each split."""

    train: Images
    val: Images
    test: Images


@with_config(STRICT)
class Rates(TypedDict):
    """Images a second of each split."""

    train: Annotated[Number, Field(gt=0)]
    val: Annotated[Number, Field(gt=0)]
    test: Annotated[Number, Field(gt=0)]


@with_config(STRICT)
class Corruption(TypedDict, total=False):
    """Shares of the training frames that each fault befalls."""

    blur: Probability
    jpeg: Probability
    wrong_identity: Probability
    non_face: Probability
    bad_landmarks: Probability
    duplicate: Probability


@with_config(STRICT)
class Clips(TypedDict, total=False):
    """How an identity's rendered clips look."""

    clips: Annotated[Counts, Field(description="clips of each split")]
    images: Annotated[Counts, Field(description="images of a clip")]
    rate: Annotated[Rates, Field(description="images a second")]
    yaw_range: Annotated[Degrees, Field(description="degrees to either side")]
    yaw_shape: Literal["uniform", "normal", "sides"]
    pitch_range: Annotated[Degrees, Field(description="degrees to either side")]
    roll_range: Annotated[Degrees, Field(description="degrees to either side")]
    expression: Annotated[Probability, Field(description="scales the expression units")]
    light: Annotated[Probability, Field(description="0 mild, 1 strong and tinted")]
    background: Annotated[Probability, Field(description="0 plain, 1 a random pattern")]
    p_beard: Annotated[Probability, Field(description="probability a clip")]
    p_glasses: Annotated[Probability, Field(description="probability a clip")]
    p_occluder: Annotated[Probability, Field(description="probability a clip")]
    beautify: Annotated[Probability, Field(description="smoothing of the skin")]
    corruption: Annotated[Corruption, Field(description="shares of the training frames")]


@with_config(STRICT)
class Profile(TypedDict):
    """`default` is of all identities; ``identities`` overrides it for one."""

    default: Clips
    identities: dict[str, Clips]


@with_config(STRICT)
class Shipped(TypedDict):
    """One of the two people that ship with swaplab."""

    person: Literal["A", "B"]


@with_config(STRICT)
class Invented(TypedDict):
    """A person invented from a seed."""

    seed: Annotated[Whole, Field(ge=0)]


@with_config(STRICT)
class Synthetic(TypedDict):
    """Rendered people."""

    kind: Literal["synthetic"]
    identities: Annotated[dict[FileName, Shipped | Invented], Field(min_length=1)]
    profile: Profile
    resolution: Resolution
    seed: Annotated[Whole, Field(ge=0, description="of the data; the training seed is another")]
    cache: Annotated[Text | None, Field(description="folder; null: $SWAPLAB_CACHE, else ~/.cache/swaplab")]
    workers: Annotated[Whole, Field(ge=1, description="processes that render; the pixels do not depend on it")]


@with_config(STRICT)
class Facesets(TypedDict):
    """Folders of faces."""

    kind: Literal["facesets"]
    identities: Annotated[dict[FileName, str], Field(min_length=1)]
    resolution: Resolution | None
    skip_flags: Annotated[list[Text], Field(description="faces with one of these flags are left out")]
    test_clips: Annotated[list[Text], Field(description="clips held out for the test split")]


@with_config(STRICT)
class Size(TypedDict):
    """How wide networks are."""

    scale: Annotated[Number, Field(gt=0, le=4, description="times every width and bottleneck")]


@with_config(STRICT)
class Spectral(TypedDict):
    """Spectral normalisation."""

    networks: Annotated[list[Network], Field(min_length=1)]
    iterations: Annotated[Whole, Field(ge=1, description="of the power method, a forward")]


@with_config(STRICT)
class Optimizers(TypedDict):
    """An optimiser for each network."""

    generator: Component
    discriminator: Component | None


@with_config(STRICT)
class Trainer(TypedDict):
    """Where a run is computed, and by how many processes."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda"]  # not mps: sums are taken in float64, which it has not
    devices: Annotated[
        Annotated[Whole, Field(ge=1)] | Literal["auto"], Field(description="processes of a machine, each with a device")
    ]
    nodes: Annotated[Annotated[Whole, Field(ge=1)] | Literal["auto"], Field(description="machines")]
    launcher: Annotated[Literal["auto", "srun"], Field(description="who starts the processes")]
    backend: Annotated[  # not nccl alone: counts and signals are exchanged on processors
        Literal["gloo", "cpu:gloo,cuda:nccl"] | None, Field(description="what processes talk through; null: chosen")
    ]
    precision: Literal["auto", "32-true", "bf16-mixed", "64-true"]
    sync_batchnorm: Annotated[bool, Field(description="plain batch norms take their statistics over all ranks")]
    threads: Annotated[Threads, Field(description="of a process; null: chosen")]
    progress: bool


@with_config(STRICT)
class Budget(TypedDict):
    """How long a run is."""

    images: Annotated[Whole, Field(ge=1, description="faces of all identities; the x-axis of everything")]
    session_images: Annotated[
        Annotated[Whole, Field(ge=1)] | None, Field(description="faces after which this session stops")
    ]


@with_config(STRICT)
class Average(TypedDict):
    """The averaged generator."""

    half_life: Annotated[Number, Field(ge=1, description="in images")]


@with_config(STRICT)
class Every(TypedDict):
    """Images between two of a kind; 0: only at the end."""

    report: Annotated[Images, Field(description="in images; 0: only at the end")]
    validate: Annotated[Images, Field(description="in images; 0: only at the end")]
    sample: Annotated[Images, Field(description="in images; 0: only at the end")]
    checkpoint: Annotated[Images, Field(description="in images; 0: only at the end")]


@with_config(STRICT)
class Checkpoint(TypedDict):
    """What is kept."""

    best: Annotated[Text, Field(description="validation metric whose best value is kept as best.safetensors")]
    keep: Annotated[Whole, Field(ge=0, description="earlier averages that are kept")]


@with_config(STRICT)
class InitFrom(TypedDict):
    """Another run whose weights this one starts from."""

    run: Annotated[Text, Field(description="the run's folder")]
    parts: NotRequired[Annotated[list[Text] | None, Field(description="prefixes of parameters; null: all")]]
    frozen: NotRequired[Annotated[bool, Field(description="what was taken is not trained")]]
    weights: NotRequired[Annotated[Text | None, Field(description="the content that is taken, by hash; filled in")]]


@with_config(STRICT)
class Wandb(TypedDict):
    """The dashboard."""

    mode: Literal["offline", "online", "disabled"]
    project: Text
    group: Text | None
    job_type: Text
    tags: list[Text]


@with_config(STRICT)
class Train(TypedDict):
    """One run."""

    data: Annotated[Synthetic | Facesets, Field(discriminator="kind")]
    noise: dict[Text, Component | None]
    norm: Component | None
    attention: Component | None
    attention_sites: Annotated[list[Text] | None, Field(description="blocks that attention stands behind")]
    mask: Component | None
    mask_network: Component | None
    composed_by: Annotated[Literal["face", "hull"] | None, Field(description="mask of the faces that composes")]
    generator: Component
    decoder: NotRequired[Component]
    bottleneck: NotRequired[Component | None]
    upsampling: NotRequired[Component]
    output: NotRequired[Component]
    size: Size
    code_match: Component | None
    discriminator: Component | None
    losses: dict[Text, Component | None]
    mixup: Component | None
    spectral: Spectral | None
    optimizer: Optimizers
    plan: Component
    schedule: Annotated[Component, Field(description="multiplies every learning rate")]
    phases: NotRequired[dict[Text, Component]]
    actions: NotRequired[dict[Text, Component | None]]
    trainer: Trainer
    name: Annotated[FileName, Field(description="the folder under runs/, and the group on the dashboard")]
    seed: Annotated[Whole, Field(ge=0, lt=2**32, description="of data order, noise and start")]
    batch_size: Annotated[Whole, Field(ge=1, description="faces of each identity, over all ranks")]
    accumulate: Annotated[Whole, Field(ge=1, description="parts that an update takes its batch in")]
    workers: Annotated[Whole, Field(ge=0, description="processes that prepare batches")]
    budget: Budget
    joint_pass: Annotated[bool, Field(description="all identities through a shared encoder in one call")]
    tracked_forwards: Annotated[
        list[Literal["encode", "reconstruction", "swap", "judgement"]],
        Field(description="forwards that move running statistics"),
    ]
    data_masks: Annotated[dict[Mask, bool], Field(description="masks that batches carry")]
    composition: Annotated[bool, Field(description="false: the result is the colours alone")]
    ema: Average
    every: Every
    checkpoint: Checkpoint
    init_from: InitFrom | None
    wandb: Wandb
    runs: Annotated[Text, Field(description="the folder of all runs")]
    run_id: Annotated[FileName | None, Field(description="the run's folder; null: its seed and its config's hash")]
    factors: Annotated[dict[str, Any], Field(description="what a sweep or an ablation varies; filled in")]
