"""One sentence about a run: what was trained, on whom, and for how long."""

import re
from typing import Any

from swaplab.report.comparison import cost
from swaplab.report.numbers import duration, significant
from swaplab.report.reading import ReportedRun, finite

GROUNDS = {
    "synthetic": "rendered people",
    "self": "the user",
    "consent": "people who consented",
    "licensed": "people in licensed pictures",
}


def summary(run: ReportedRun) -> str:
    """The sentence, without facts that the record lacks."""
    return f"{_model(run)} was trained on {_people(run)} {_extent(run)}."


def _model(run: ReportedRun) -> str:
    """The generator's class and size, and whether there was a discriminator."""
    generator = run.config.get("generator")
    target = str(generator.get("_target_", "generator")) if isinstance(generator, dict) else "generator"
    words = re.findall(r"[A-Z][a-z0-9]*|[a-z0-9]+", target.rpartition(".")[2])
    name = " ".join(words).lower() or "generator"
    said = f"{'An' if name[0] in 'aeio' else 'A'} {name}"
    parameters = run.facts.get("parameters")
    count = finite(parameters.get("generator")) if isinstance(parameters, dict) else None
    said += f" of {_millions(count)} parameters" if count else ""
    return said + (", with a discriminator," if run.config.get("discriminator") else "")


def _millions(count: float) -> str:
    if count < 1e5:
        return significant(count)
    return f"{count / 1e6:.{1 if count < 1e7 else 0}f} million"


def _people(run: ReportedRun) -> str:
    """Identities, and the grounds on which they may be trained on."""
    faces: Any = run.facts.get("faces")
    names = list(faces.get("identities", [])) if isinstance(faces, dict) else []
    grounds: Any = run.facts.get("grounds")
    kinds = {str(each.get("kind")) for each in grounds.values()} if isinstance(grounds, dict) else set()
    kinds = kinds or ({"synthetic"} if run.rendered else set())
    said = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "its faces"
    who = " or ".join(GROUNDS.get(kind, kind) for kind in sorted(kinds))
    return f"{said} ({who})" if who else said


def _extent(run: ReportedRun) -> str:
    seen = finite(run.facts.get("images_seen", run.rows[-1]["images_seen"] if run.rows else 0)) or 0.0
    budget: Any = run.config.get("budget")
    planned = finite(budget.get("images")) if isinstance(budget, dict) else None
    said = f"for {significant(seen)}{f' of {significant(planned)}' if planned and planned > seen else ''} images"
    seconds = finite(cost(run).get("seconds"))
    said += f", in {duration(seconds)}" if seconds else ""
    devices: Any = run.environment.get("accelerators")
    threads = finite(run.environment.get("threads"))
    if devices:
        return f"{said} on {', '.join(map(str, dict.fromkeys(devices)))}"
    return f"{said} on {threads:.0f} CPU thread{'s' * (threads != 1)}" if threads else said
