"""What hangs on mmengine's training loop: optimizer wrappers, hooks, checkpoints, the run's record."""

from anl_seg.engine.checkpoint_compat import allow_mmengine_checkpoints
from anl_seg.engine.environment import environment, write_environment

__all__ = ["allow_mmengine_checkpoints", "environment", "write_environment"]
