"""swaplab evaluate: measure a trained run on held-out clips, beside trivial baselines and ceilings."""

from collections.abc import Sequence

from swaplab.config.commands import Evaluate as KEYS

HELP = """
swaplab evaluate: measure a trained run on held-out clips in both directions, beside trivial baselines and ceilings.

  swaplab evaluate run=runs/quick/s1-0123456789 split=val
  swaplab evaluate run=runs/quick/s1-0123456789 split=test weights=best

Writes evaluation/WEIGHTS/SPLIT.json, SPLIT.md, sample sheets and, for rendered people, clips SPLIT-A_to_B.mp4 to the
run folder, and a W&B run beside the trained one. Verdicts use the final weights.
"""
ADVICE = "; run the same command to evaluate again"


def run(words: Sequence[str]) -> None:
    """Evaluate a run and print the tables."""
    from swaplab.config.keys import parsed
    from swaplab.devices import use_threads
    from swaplab.experiment.run import Run
    from swaplab.progress import stages
    from swaplab.runs.evaluations import evaluation_file

    config = parsed(KEYS, words)
    use_threads(config["threads"])
    trained, split, weights = Run.open(config["run"], config["runs"]), config["split"], config["weights"]
    with stages() as progress:
        trained.evaluate(split, weights, device=config["device"], clip=config["clip"], progress=progress)
    place = evaluation_file(trained.folder, weights, split)
    print(place.with_suffix(".md").read_text())
    print(f"evaluation: {place.with_suffix('.md')}; {place.name}, sample sheets and clips are in the same folder")
