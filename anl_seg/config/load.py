"""Finding the configs that the installed mmseg ships, on either family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from anl_seg._suggest import unknown_name
from anl_seg.config.sections import check_sections

_PREFIX = "mmseg::"


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
