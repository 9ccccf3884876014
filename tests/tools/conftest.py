"""The tools as modules."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOLS = Path(__file__).parents[2] / "tools"
QUICKSTART = str(TOOLS.parent / "configs/quickstart/unet-small_480_ce_synthetic-64x64.py")


def load_tool(name):
    spec = importlib.util.spec_from_file_location(f"anl_seg_tool_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
