"""Create a W&B workspace that compares the levels of one factor: curves with ranges, final values, cost, samples.

    python scripts/wandb_workspace.py entity=ME group=norm factor=norm
    python scripts/wandb_workspace.py entity=ME project=swaplab group=norm factor=norm metric=score guards=psnr,ssim

entity: the owner of the project. group: the ablation, or the name= of a sweep. factor: the key that varies in it.
metric, guards: full metric names from the tables of swaplab evaluate, on the test clips. curve: the metric to plot over
images seen (default: val/reconstruction_psnr). Interrupted sessions are left out, because the session that resumed them
contains all of their rows.

Needs `pip install "swaplab[workspace]"` and `wandb login`. Tested against a mock of the service: the content of the
saved workspace is checked, its display on the website is not.
"""

import sys
from collections.abc import Sequence

from swaplab.errors import UserError
from swaplab.runs.evaluations import plotted_name

DEFAULTS = {
    "entity": "",
    "project": "swaplab",
    "group": "",
    "factor": "",
    "metric": "score",
    "guards": "psnr,ssim,tenengrad_ratio[truth]",
    "curve": "val/reconstruction_psnr",
}
COSTS = ("cost/seconds", "cost/images_per_second", "cost/peak_memory_mb", "cost/parameters")
MEASURED = "evaluation/final/test/"


def settings_of(words: Sequence[str]) -> dict[str, str]:
    """The defaults with KEY=VALUE arguments. Raises UserError for an unknown key or a missing value."""
    given = dict(word.partition("=")[::2] for word in words)
    unknown = sorted(given.keys() - DEFAULTS.keys())
    if unknown:
        raise UserError(f"unknown key {unknown[0]}; choose from {', '.join(DEFAULTS)}")
    settings = DEFAULTS | given
    missing = [key for key in ("entity", "group", "factor", "project", "metric", "curve") if not settings[key]]
    if missing:
        raise UserError(f"{missing[0]} is missing; set {missing[0]}=VALUE, see --help")
    return settings


def workspace(settings: dict[str, str]):
    """The workspace: runs grouped by level of the factor, with sections for curves, final values, cost and samples."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    key = f"factor/{settings['factor'].replace('.', '/')}"
    over_seeds = {"groupby": wr.Config(key), "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"}

    def curve(name: str) -> wr.LinePlot:
        return wr.LinePlot(title=name, x="images_seen", y=[name], title_x="images seen", **over_seeds)

    def bars(name: str) -> wr.BarPlot:
        return wr.BarPlot(title=name, metrics=[wr.SummaryMetric(name)], orientation="v", **over_seeds)

    judged = [
        plotted_name(MEASURED + name) for name in (settings["metric"], *filter(None, settings["guards"].split(",")))
    ]
    sheets = ("samples", *(f"{MEASURED}{way}-samples" for way in ("A_to_B", "B_to_A")))
    return ws.Workspace(
        entity=settings["entity"],
        project=settings["project"],
        name=f"{settings['group']} by {settings['factor']}",
        sections=[
            ws.Section(name="over images seen", panels=[curve(settings["curve"])], is_open=True),
            ws.Section(name="at the end, test clips", panels=[bars(name) for name in judged], is_open=True),
            ws.Section(name="cost", panels=[bars(name) for name in COSTS]),
            ws.Section(
                name="samples",
                panels=[
                    wr.MediaBrowser(title=sheet, media_keys=[sheet], mode="gallery", gallery_axis="run")
                    for sheet in sheets
                ],
                is_open=True,
            ),
        ],
        settings=ws.WorkspaceSettings(x_axis="images_seen", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("Group") == settings["group"], ws.Summary("status") != "interrupted"],
            groupby=[ws.Config(key)],
            pinned_columns=["run:displayName", f"config:{key}.value", "config:seed.value", "summary:status"]
            + [f"summary:{name}" for name in judged],
        ),
    )


def main(words: Sequence[str]) -> None:
    """Create the workspace, save it and print its address."""
    if {"-h", "--help"} & set(words):
        print(__doc__.strip())
        return
    try:
        settings = settings_of(words)
        try:
            import wandb
            import wandb_workspaces  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(f'{error.name} is not installed; run pip install "swaplab[workspace]"') from None
        try:
            print(workspace(settings).save().url)
        except (wandb.errors.Error, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"W&B rejected the workspace ({reason}); run `wandb login` and check entity") from None
    except UserError as error:
        print(f"wandb_workspace: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(sys.argv[1:])
