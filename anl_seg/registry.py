"""Child registries of mmengine's under the scope ``anl_seg``.

mmengine imports ``<scope>.registry`` by itself when it meets ``type='anl_seg.X'``, and each registry
imports its ``locations`` on first use, so a config needs no ``custom_imports``.
"""

from __future__ import annotations

from anl_seg._family import require_mmseg
from anl_seg._suggest import unknown_name

require_mmseg()

from mmengine import registry as _root  # noqa: E402


class _Registry(_root.Registry):
    """A registry that names the closest known types when one is asked for that nobody has."""

    def get(self, key: str) -> type:
        found = super().get(key)
        if found is None:
            raise KeyError(unknown_name(f"{self.name} type", key, self.module_dict))
        return found


def _child(name: str, parent: str, location: str) -> _Registry:
    return _Registry(name, parent=getattr(_root, parent), scope="anl_seg", locations=[location])


MODELS = _child("model", "MODELS", "anl_seg.models")
DATASETS = _child("dataset", "DATASETS", "anl_seg.datasets")
TRANSFORMS = _child("transform", "TRANSFORMS", "anl_seg.datasets.transforms")
METRICS = _child("metric", "METRICS", "anl_seg.evaluation")
HOOKS = _child("hook", "HOOKS", "anl_seg.engine.hooks")
OPTIM_WRAPPERS = _child("optim_wrapper", "OPTIM_WRAPPERS", "anl_seg.engine.optim")
