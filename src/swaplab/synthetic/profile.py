"""Profiles of an identity's clips: the settings of ``data.profile``, by identity."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from swaplab.errors import UserError

YAW_SHAPES = ("uniform", "normal", "sides")


@dataclass(frozen=True)
class Count:
    """A number for each split."""

    train: float
    val: float
    test: float

    def of(self, split: str) -> float:
        """The number for ``split``."""
        return float(getattr(self, split))


@dataclass(frozen=True)
class Corruption:
    """Share of train frames with each fault, in [0, 1]; the ``flags`` of affected frames name the fault."""

    blur: float = 0.0
    jpeg: float = 0.0
    wrong_identity: float = 0.0
    non_face: float = 0.0
    bad_landmarks: float = 0.0
    duplicate: float = 0.0


@dataclass(frozen=True)
class IdentityProfile:
    """The settings of one identity.

    ``clips`` per split, ``images`` per clip, sampling ``rate`` in images per second. ``yaw_range``, ``pitch_range``,
    ``roll_range`` in degrees to either side, 0 to 60. ``yaw_shape``: uniform, normal (range = 2 standard deviations) or
    sides (only the outer half of the range). ``expression`` in [0, 1] scales the expression units. ``p_*``: probability
    per clip. ``light`` in [0, 1]: 0 is mild, 1 strong and tinted. ``background`` in [0, 1]: 0 is plain, 1 a random
    pattern. ``beautify`` in [0, 1]: strength of a skin-smoothing filter.
    """

    clips: Count
    images: Count
    rate: Count
    yaw_range: float = 25.0
    yaw_shape: str = "uniform"
    pitch_range: float = 9.0
    roll_range: float = 12.0
    expression: float = 1.0
    light: float = 0.0
    background: float = 0.0
    p_beard: float = 0.0
    p_glasses: float = 0.0
    p_occluder: float = 0.0
    beautify: float = 0.0
    corruption: Corruption = field(default_factory=Corruption)

    @classmethod
    def from_dict(cls, known: Mapping[str, Any], where: str = "data.profile.default") -> "IdentityProfile":
        """Read settings; ``where`` names them in messages. Raises UserError for unknown, missing or invalid ones."""
        profile: IdentityProfile = _read(cls, known, where)
        _check(profile, where)
        return profile


_PARTS: dict[str, Any] = {"clips": Count, "images": Count, "rate": Count, "corruption": Corruption}


def _read(kind: Any, known: Mapping[str, Any], where: str) -> Any:
    if not isinstance(known, Mapping):
        raise UserError(f"{where} must be a mapping of settings; got {known!r}")
    names = [f.name for f in fields(kind)]
    unknown = [str(name) for name in known if name not in names]
    if unknown:
        raise UserError(f"{where} has no setting '{unknown[0]}'; choose from {', '.join(names)}")
    values = {}
    for name, value in known.items():
        at = f"{where}.{name}"
        if name in _PARTS:
            values[name] = _read(_PARTS[name], value, at)
        elif name == "yaw_shape":
            values[name] = value
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"{at} must be a number; got {value!r}")
        else:
            values[name] = float(value)
    try:
        return kind(**values)
    except TypeError:
        missing = [name for name in names if name not in values and (kind is Count or name in _PARTS)]
        raise UserError(f"{where} lacks {', '.join(missing)}; add what is missing") from None


def _check(profile: IdentityProfile, where: str) -> None:
    if profile.yaw_shape not in YAW_SHAPES:
        raise UserError(f"{where}.yaw_shape must be one of {', '.join(YAW_SHAPES)}; got '{profile.yaw_shape}'")
    shares = {f"corruption.{k}": v for k, v in asdict(profile.corruption).items()}
    names = ("expression", "light", "background", "p_beard", "p_glasses", "p_occluder", "beautify")
    for name, value in (shares | {name: getattr(profile, name) for name in names}).items():
        if not 0 <= value <= 1:
            raise UserError(f"{where}.{name} must be from 0 to 1; got {value}")
    for name in ("yaw_range", "pitch_range", "roll_range"):
        if not 0 <= getattr(profile, name) <= 60:
            raise UserError(f"{where}.{name} must be from 0 to 60 degrees; got {getattr(profile, name)}")
    for split in ("train", "val", "test"):
        if profile.rate.of(split) <= 0:
            raise UserError(f"{where}.rate.{split} must be above 0 images per second; got {profile.rate.of(split)}")
        for name in ("clips", "images"):
            number = getattr(profile, name).of(split)
            if number < 0 or number != int(number):
                raise UserError(f"{where}.{name}.{split} must be a whole number of at least 0; got {number}")


def profiles(settings: Mapping[str, Any], identities: Mapping[str, Any]) -> dict[str, IdentityProfile]:
    """The profile of each identity: ``settings['default']`` with the overrides in ``settings['identities'][name]``.

    Raises UserError for an unknown setting, or an override for an identity that is not in ``identities``.
    """
    unknown = set(settings) - {"default", "identities"}
    if unknown or "default" not in settings:
        raise UserError(
            f"data.profile must have 'default' and optionally 'identities'; got {', '.join(settings) or 'nothing'}"
        )
    overrides = settings.get("identities") or {}
    strangers = [name for name in overrides if name not in identities]
    if strangers:
        raise UserError(
            f"data.profile.identities names unknown identity '{strangers[0]}'; choose from {', '.join(identities)}"
        )
    return {
        name: IdentityProfile.from_dict(
            _merged(settings["default"], overrides.get(name, {})),
            f"data.profile.identities.{name}" if name in overrides else "data.profile.default",
        )
        for name in identities
    }


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    return {**base} | {
        name: _merged(base[name], value)
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
        else value
        for name, value in change.items()
    }
