"""Types with ranges that several constructors share. The validation of configs reads these annotations."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Latent = Annotated[int, Field(ge=1, le=2**16, description="size of the bottleneck")]
Width = Annotated[float, Field(gt=0, le=16, description="multiplies every number of channels")]
Pair = Annotated[Sequence[NotNegative], Field(min_length=2, max_length=2, description="lowest and highest")]
