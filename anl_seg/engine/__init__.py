"""What hangs on mmengine's training loop: optimizer wrappers, hooks, checkpoints, the run's record."""

from anl_seg.engine.checkpoint_compat import CheckpointError, allow_mmengine_checkpoints
from anl_seg.engine.environment import environment, write_environment
from anl_seg.engine.resume import choose_resumed

__all__ = [
    "CheckpointError",
    "allow_mmengine_checkpoints",
    "choose_resumed",
    "environment",
    "write_environment",
]
