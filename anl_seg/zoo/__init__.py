"""Which configs of the installed mmseg train with a robust loss: two steps each, shrunk, on the CPU."""

from anl_seg.zoo.leaf_configs import Leaf, leaf_paths, read_leaf, sample_paths
from anl_seg.zoo.loss_specs import every_loss, fill_loss
from anl_seg.zoo.processes import Limits, Task, run_all
from anl_seg.zoo.report import family_rows, loss_table, markdown, summary
from anl_seg.zoo.results import ResultFile, Settings
from anl_seg.zoo.shrink import shrink_model
from anl_seg.zoo.train_steps import ModelTrial, Outcome, try_model

__all__ = [
    "Leaf",
    "Limits",
    "ModelTrial",
    "Outcome",
    "ResultFile",
    "Settings",
    "Task",
    "every_loss",
    "family_rows",
    "fill_loss",
    "leaf_paths",
    "loss_table",
    "markdown",
    "read_leaf",
    "run_all",
    "sample_paths",
    "shrink_model",
    "summary",
    "try_model",
]
