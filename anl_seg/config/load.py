"""Loading a config: where it is, and that dicts stand where the rest of the package looks into them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from anl_seg._suggest import unknown_name
from anl_seg.config._walk import entries, heads, loaders, located

_PREFIX = "mmseg::"
#: (place, what stands there).
Section = tuple[str, Any]


def _config_root() -> Path:
    import mmseg

    package = Path(mmseg.__file__).parent
    # A wheel carries its configs in `.mim`; a source checkout has them beside the package.
    for root in (package / ".mim" / "configs", package.parent / "configs"):
        if root.is_dir():
            return root
    raise FileNotFoundError(f"the installed mmseg at {package} carries no configs.")


def mmseg_config(path: str) -> str:
    """Absolute path of a config of the installed mmseg.

    mmengine evaluates a ``_base_`` line, so a config can build on mmseg's own on both families with
    ``_base_ = [__import__('anl_seg').mmseg_config('_base_/models/fcn_unet_s5-d16.py')]``
    (``mmseg::`` as mmengine spells it fails on the onedl family).

    Args:
        path: relative to mmseg's ``configs``, for example ``'unet/unet-s5-d16_fcn_...py'``.

    Raises:
        FileNotFoundError: no such config; the closest names are given.
    """
    root = _config_root()
    found = root / path
    if found.is_file():
        return str(found)
    known = [p.relative_to(root).as_posix() for p in root.rglob("*.py")]
    same_folder = [k for k in known if k.startswith(str(Path(path).parent) + "/")]
    hint = unknown_name("mmseg config", path, same_folder or {k.split("/")[0] for k in known})
    raise FileNotFoundError(hint)


def _visit(value: Any) -> None:
    """Look at all of a config: one of the newer style imports what it names when that is looked at."""
    if isinstance(value, (Mapping, Config)):
        value = [inner for _, inner in value.items()]
    for inner in value if isinstance(value, (list, tuple)) else ():
        _visit(inner)


def check_sections(cfg: Config) -> None:
    """Refuse a config in which something else stands where a dict must, so far as others look into it.

    Looked at are the model, its heads and their losses, the data loaders with their data sets and
    pipelines, and the list of hooks.

    Raises:
        ValueError: the place is named, and what stands there.
    """
    for place, value in _sections(cfg):
        if not isinstance(value, Mapping):
            raise ValueError(f"{place} must be a dict; got {value!r:.60}.")
    for place, loader in loaders(cfg, "train", "val", "test"):
        _check_loader(place, loader)
    hooks = cfg.get("custom_hooks")
    if not isinstance(hooks, (list, tuple, type(None))):
        raise ValueError(f"custom_hooks must be a list of dicts; got {hooks!r:.60}.")


def _sections(cfg: Config) -> Iterator[Section]:
    """What must be a dict where it is there, one outside the other."""
    for name in ("model", "default_hooks", "optim_wrapper", "train_cfg", "val_cfg", "test_cfg"):
        if cfg.get(name) is not None:
            yield name, cfg[name]
    for place, head in heads(cfg.get("model") or {}):
        yield f"model.{place}", head
        for key in ("loss_decode", "kernel_generate_head"):
            yield from entries(f"model.{place}.{key}", head.get(key))


def _check_loader(place: str, loader: Any) -> None:
    if not isinstance(loader, Mapping) or not isinstance(loader.get("dataset"), Mapping):
        raise ValueError(f"{place} must be a dict with dataset=dict(...); got {loader!r:.60}.")
    for where, dataset in located(loader["dataset"], f"{place}.dataset"):
        if not isinstance(dataset, Mapping):
            raise ValueError(f"{where} must be a dict; got {dataset!r:.60}.")
        pipeline = dataset.get("pipeline")
        if not isinstance(pipeline, (list, tuple, type(None))):
            raise ValueError(f"{where}.pipeline must be a list; got {pipeline!r:.60}.")
        for i, step in enumerate(pipeline or ()):
            if not isinstance(step, Mapping):
                raise ValueError(f"{where}.pipeline.{i} must be a dict; got {step!r:.60}.")


def load_config(path: str) -> Config:
    """Load a config file; ``mmseg::family/config.py`` names one of the installed mmseg.

    Raises:
        FileNotFoundError: no such file, or one that it is based on.
        ValueError: it cannot be read, or has something else where a dict must be.
    """
    if path.startswith(_PREFIX):
        path = mmseg_config(path[len(_PREFIX) :])
    elif not Path(path).is_file():
        raise FileNotFoundError(
            f"no config file at {path!r} (mmseg's own: 'mmseg::family/config.py')."
        )
    try:
        cfg = Config.fromfile(path)
        _visit(cfg)
    except FileNotFoundError:
        raise
    except Exception as error:  # it is code: whatever that raises
        raise ValueError(
            f"{path} cannot be read as a config: {type(error).__name__}: {error}"
        ) from error
    try:
        check_sections(cfg)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return cfg
