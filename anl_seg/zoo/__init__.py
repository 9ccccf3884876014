"""Which configs of the installed mmseg train with a robust loss: two steps each, shrunk, on the CPU."""

from anl_seg.zoo.leaf_configs import Leaf, leaf_paths, read_leaf, sample_paths
from anl_seg.zoo.processes import Limits, run_all
from anl_seg.zoo.report import family_rows, markdown, summary
from anl_seg.zoo.results import ResultFile, Settings
from anl_seg.zoo.shrink import shrink_model
from anl_seg.zoo.train_steps import Outcome, try_model

__all__ = [
    "Leaf",
    "Limits",
    "Outcome",
    "ResultFile",
    "Settings",
    "family_rows",
    "leaf_paths",
    "markdown",
    "read_leaf",
    "run_all",
    "sample_paths",
    "shrink_model",
    "summary",
    "try_model",
]
