"""Arguments of ``lightning.Trainer`` that a config cannot set, each with what to do instead.

All other arguments are keys of ``trainer`` (`swaplab.config.train`); a test compares both with Lightning's signature.
"""

_BUDGET = "the budget is in images; set budget.images"
_CLIP = "clip per network; set optimizer.generator.clip.norm or optimizer.generator.clip.value"
_DATA = "batches are shared out by position in the run; remove it"
OWNED = {
    "accumulate_grad_batches": "set accumulate",
    "barebones": "a run has a record; remove it",
    "callbacks": "choose callbacks=OPTION, or set callbacks.NAME",
    "check_val_every_n_epoch": "set every.validate, in images",
    "default_root_dir": "set runs",
    "enable_autolog_hparams": "the record has the whole config; remove it",
    "enable_checkpointing": "set every.checkpoint, in images",
    "enable_model_summary": "the record has the number of parameters; remove it",
    "enable_progress_bar": "set trainer.progress",
    "gradient_clip_algorithm": _CLIP,
    "gradient_clip_val": _CLIP,
    "inference_mode": "measuring a network never changes it; remove it",
    "limit_predict_batches": "a run does not predict; remove it",
    "limit_test_batches": "a run is tested by swaplab evaluate; remove it",
    "log_every_n_steps": "set every.report, in images",
    "logger": "choose logger=OPTION",
    "max_epochs": _BUDGET,
    "max_steps": f"{_BUDGET}, or trainer.limit_train_batches to debug",
    "min_epochs": _BUDGET,
    "min_steps": _BUDGET,
    "model_registry": "the record has all weights; remove it",
    "num_nodes": "set trainer.nodes",
    "plugins": "set trainer.precision, trainer.sync_batchnorm or trainer.launcher",
    "reload_dataloaders_every_n_epochs": _DATA,
    "strategy": "several processes sum their gradients; set trainer.devices and trainer.nodes",
    "use_distributed_sampler": _DATA,
    "val_check_interval": "set every.validate, in images",
}


def instead(key: str) -> str | None:
    """The message for a dotted key that names such an argument, else None."""
    first, _, name = key.partition(".")
    return f"{key} is not a key: {OWNED[name]}" if first == "trainer" and name in OWNED else None
