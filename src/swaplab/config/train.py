"""The keys of a run with type, range, unit and meaning. `swaplab.config.slots` says which keys take components; a
component's own keys come from its constructor."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, Field, with_config
from typing_extensions import TypedDict

from swaplab.config.slots import SLOTS, Slot
from swaplab.config.values import STRICT, Component, Duration, FileName, Number, Text, Whole

Images = Annotated[Whole, Field(ge=0)]
Probability = Annotated[Number, Field(ge=0, le=1)]
Degrees = Annotated[Number, Field(ge=0, le=60)]
Resolution = Annotated[Whole, Field(ge=16, le=1024, multiple_of=2, description="side of the face region in pixels")]
Threads = Annotated[Whole, Field(ge=1)] | None
Batches = Annotated[Whole, Field(ge=1)]
Mask = Literal["face", "eyes", "mouth", "occluder", "hull"]
Network = Literal["generator", "discriminator"]


@with_config(STRICT)
class Counts(TypedDict):
    """A whole number per split."""

    train: Images
    val: Images
    test: Images


@with_config(STRICT)
class Rates(TypedDict):
    """Images per second of each split."""

    train: Annotated[Number, Field(gt=0)]
    val: Annotated[Number, Field(gt=0)]
    test: Annotated[Number, Field(gt=0)]


@with_config(STRICT)
class Corruption(TypedDict, total=False):
    """Share of the training frames with each fault."""

    blur: Probability
    jpeg: Probability
    wrong_identity: Probability
    non_face: Probability
    bad_landmarks: Probability
    duplicate: Probability


@with_config(STRICT)
class Clips(TypedDict, total=False):
    """How an identity's rendered clips look."""

    clips: Annotated[Counts, Field(description="clips per split")]
    images: Annotated[Counts, Field(description="images per clip")]
    rate: Annotated[Rates, Field(description="images per second")]
    yaw_range: Annotated[Degrees, Field(description="degrees to either side")]
    yaw_shape: Literal["uniform", "normal", "sides"]
    pitch_range: Annotated[Degrees, Field(description="degrees to either side")]
    roll_range: Annotated[Degrees, Field(description="degrees to either side")]
    expression: Annotated[Probability, Field(description="scales the expression units")]
    light: Annotated[Probability, Field(description="0 mild, 1 strong and tinted")]
    background: Annotated[Probability, Field(description="0 plain, 1 a random pattern")]
    p_beard: Annotated[Probability, Field(description="probability per clip")]
    p_glasses: Annotated[Probability, Field(description="probability per clip")]
    p_occluder: Annotated[Probability, Field(description="probability per clip")]
    beautify: Annotated[Probability, Field(description="smoothing of the skin")]
    corruption: Annotated[Corruption, Field(description="share of the training frames")]


@with_config(STRICT)
class Profile(TypedDict):
    """`default` applies to all identities; ``identities`` overrides it for single ones."""

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
class Member(TypedDict):
    """One of the two invented people of a couple."""

    couple: Annotated[Whole, Field(ge=0, description="number of the couple")]
    member: Literal["a", "b"]


@with_config(STRICT)
class Synthetic(TypedDict):
    """Rendered people."""

    kind: Literal["synthetic"]
    identities: Annotated[dict[FileName, Shipped | Invented | Member], Field(min_length=1)]
    profile: Profile
    resolution: Resolution
    couple: NotRequired[Annotated[Whole, Field(ge=0, description="number of the couple whose members train")]]
    seed: Annotated[Whole, Field(ge=0, description="of the data; the training seed is separate")]
    cache: Annotated[
        Text | None, Field(description="folder; null: $SWAPLAB_CACHE, or ~/.cache/swaplab if that is not set")
    ]
    workers: Annotated[Whole, Field(ge=1, description="rendering processes; does not change the pixels")]


@with_config(STRICT)
class Facesets(TypedDict):
    """Folders of faces."""

    kind: Literal["facesets"]
    identities: Annotated[dict[FileName, str], Field(min_length=1)]
    resolution: Resolution | None
    skip_flags: Annotated[list[Text], Field(description="leave out faces with one of these flags")]
    test_clips: Annotated[list[Text], Field(description="clips of the test split")]


@with_config(STRICT)
class Size(TypedDict):
    """Width of the networks."""

    width: Annotated[Number, Field(gt=0, le=4, description="multiplies the width and the code of every network")]


@with_config(STRICT)
class Spectral(TypedDict):
    """Spectral normalisation."""

    networks: Annotated[list[Network], Field(min_length=1)]
    iterations: Annotated[Whole, Field(ge=1, description="power iterations per update")]


@with_config(STRICT)
class Trainer(TypedDict):
    """Devices, processes and precision of a run, and what else ``lightning.Trainer`` takes (`swaplab.config.owned`)."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda"]  # not mps: it has no float64, which sums need
    devices: Annotated[
        Annotated[Whole, Field(ge=1)] | Literal["auto"], Field(description="processes per machine, one device each")
    ]
    nodes: Annotated[Annotated[Whole, Field(ge=1)] | Literal["auto"], Field(description="machines")]
    launcher: Annotated[Literal["auto", "srun"], Field(description="what starts the processes")]
    backend: Annotated[  # not nccl alone: counts and signals are exchanged on the CPU
        Literal["gloo", "cpu:gloo,cuda:nccl"] | None, Field(description="of torch.distributed; null: automatic")
    ]
    precision: Literal["auto", "32-true", "bf16-mixed", "64-true"]
    sync_batchnorm: Annotated[bool, Field(description="batch norms use the statistics of all ranks")]
    threads: Annotated[Threads, Field(description="CPU threads per process; null: automatic")]
    progress: Annotated[bool, Field(description="a bar on a terminal, a plain line per report elsewhere")]
    max_time: NotRequired[
        Annotated[Duration | None, Field(description="stop this session after so long; the same command resumes")]
    ]
    profiler: NotRequired[
        Annotated[Literal["simple", "advanced", "pytorch"] | None, Field(description="written to the run's folder")]
    ]
    detect_anomaly: NotRequired[Annotated[bool, Field(description="name the operation that gives a NaN gradient")]]
    deterministic: NotRequired[Annotated[bool | Literal["warn"], Field(description="algorithms that repeat exactly")]]
    benchmark: NotRequired[Annotated[bool | None, Field(description="measure and choose cuDNN's algorithms")]]
    num_sanity_val_steps: NotRequired[
        Annotated[Whole, Field(ge=0, description="batches to validate before the first step")]
    ]
    fast_dev_run: NotRequired[
        Annotated[bool | Batches | None, Field(description="end after so many steps, each of them validated")]
    ]
    overfit_batches: NotRequired[
        Annotated[Batches | None, Field(description="train on the same batches over and over")]
    ]
    limit_train_batches: NotRequired[Annotated[Batches | None, Field(description="end after so many steps")]]
    limit_val_batches: NotRequired[
        Annotated[Annotated[Whole, Field(ge=0)] | None, Field(description="batches per validation")]
    ]


@with_config(STRICT)
class Budget(TypedDict):
    """Length of a run."""

    images: Annotated[Whole, Field(ge=1, description="faces of all identities; the x-axis of every curve")]
    session_images: Annotated[
        Annotated[Whole, Field(ge=1)] | None,
        Field(description="stop this session after so many; the same command resumes"),
    ]


@with_config(STRICT)
class Average(TypedDict):
    """Moving average of the generator's weights."""

    half_life: Annotated[Number, Field(ge=1, description="in images")]


@with_config(STRICT)
class Every(TypedDict):
    """Intervals of reports, validations, samples and checkpoints."""

    report: Annotated[Images, Field(description="in images; 0: only at the end")]
    validate: Annotated[Images, Field(description="in images; 0: only at the end")]
    sample: Annotated[Images, Field(description="in images; 0: only at the end")]
    checkpoint: Annotated[Images, Field(description="in images; 0: only at the end")]


@with_config(STRICT)
class Checkpoint(TypedDict):
    """Weights to keep."""

    best: Annotated[Text, Field(description="validation metric whose best value selects best.safetensors")]
    keep: Annotated[Whole, Field(ge=0, description="number of earlier averaged generators to keep")]


def _source(node: Any) -> Any:
    """None for the defaults in conf/train.yaml, which name no run; other keys without a run remain an error."""
    unset = isinstance(node, dict) and "run" in node and all(value in (None, False) for value in node.values())
    return None if unset else node


@with_config(STRICT)
class InitFrom(TypedDict):
    """Another run whose averaged weights this one starts from."""

    run: Annotated[Text, Field(description="the run's folder")]
    parts: NotRequired[Annotated[list[Text] | None, Field(description="prefixes of parameter names; null: all")]]
    frozen: NotRequired[Annotated[bool, Field(description="do not train the copied weights")]]
    weights: NotRequired[Annotated[Text | None, Field(description="hash of the copied weights; filled in")]]


@with_config(STRICT)
class Labels(TypedDict):
    """What dashboards sort runs by."""

    name: Annotated[Text | None, Field(description="null: the levels of the factors and the run's ID")]
    group: Annotated[Text | None, Field(description="null: the run's name")]
    job_type: Annotated[Text, Field(description="what the run is for")]
    tags: Annotated[list[Text], Field(description="added to the levels of all factors and the seed")]
    notes: Annotated[Text | None, Field(description="any text")]


class Settings(TypedDict):
    """The keys of a run that take no component."""

    data: Annotated[Synthetic | Facesets, Field(discriminator="kind")]
    attention_sites: Annotated[list[Text] | None, Field(description="blocks that attention follows")]
    composed_by: Annotated[
        Literal["face", "hull"] | None, Field(description="data mask that blends the output with the input")
    ]
    size: Size
    spectral: Spectral | None
    trainer: Trainer
    name: Annotated[FileName, Field(description="the folder under runs/, and the group on the dashboard")]
    seed: Annotated[Whole, Field(ge=0, lt=2**32, description="of data order, noise and initialisation")]
    batch_size: Annotated[Whole, Field(ge=1, description="faces of each identity, over all ranks")]
    accumulate: Annotated[Whole, Field(ge=1, description="number of micro-batches per update")]
    workers: Annotated[Whole, Field(ge=0, description="processes that prepare batches")]
    budget: Budget
    joint_pass: Annotated[bool, Field(description="one encoder call for the faces of all identities")]
    tracked_forwards: Annotated[
        list[Literal["encode", "reconstruction", "swap", "judgement"]],
        Field(description="forward passes that update running statistics"),
    ]
    data_masks: Annotated[dict[Mask, bool], Field(description="masks in every batch")]
    composition: Annotated[bool, Field(description="false: ignore the mask; the result is the network's colours")]
    ema: Average
    every: Every
    checkpoint: Checkpoint
    init_from: Annotated[InitFrom | None, BeforeValidator(_source)]
    labels: Labels
    runs: Annotated[Text, Field(description="folder for all runs")]
    run_id: Annotated[FileName | None, Field(description="the run's folder; null: its seed and its config's hash")]
    factors: Annotated[dict[str, Any], Field(description="what a sweep or an ablation varies; filled in")]


def _type_of(slot: Slot) -> Any:
    return Annotated[Component | None if slot.off else Component, Field(description=slot.meaning or None)]


def _components() -> dict[str, Any]:
    """The types of the keys in the table of slots."""
    found: dict[str, Any] = {}
    for top in dict.fromkeys(key.partition(".")[0] for key in SLOTS):
        slots = {key.partition(".")[2]: slot for key, slot in SLOTS.items() if key.partition(".")[0] == top}
        named = slots.get("*")
        if named:
            kept: Any = dict[Text, _type_of(named)]  # type: ignore[misc]
            found[top] = NotRequired[kept] if named.absent else kept
        elif "" in slots:
            found[top] = _type_of(slots[""])
        else:
            of_names = TypedDict(top, {name: _type_of(slot) for name, slot in slots.items()})  # type: ignore[misc]
            found[top] = with_config(STRICT)(of_names)
    return found


# The type of a whole run.
Train: Any = TypedDict("Train", _components() | Settings.__annotations__)  # type: ignore[misc]
with_config(STRICT)(Train)
