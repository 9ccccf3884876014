"""Optimizer wrappers, registered in ``OPTIM_WRAPPERS`` under the scope ``anl_seg``."""

from __future__ import annotations

from anl_seg.engine.optim.l1_optim_wrapper import L1AmpOptimWrapper, L1OptimWrapper

__all__ = ["L1AmpOptimWrapper", "L1OptimWrapper"]
