"""Source and noise of a manifest, which may come from anywhere: what it names is never run."""

from __future__ import annotations

import json
import os
from typing import Any

from anl_seg.corruption.sources import MaskSource, config_source, folder_source
from anl_seg.noise import MaskNoise, build_noise

_SPLITS = ("train", "val", "test")


def source_of(manifest: dict[str, Any], **named: Any) -> MaskSource:
    """The source of a manifest, where the caller says that it lies.

    Args:
        manifest: see :func:`anl_seg.masks.manifest_file.read_manifest`.
        named: ``config`` (with ``cfg_options``) for masks of a config. It is code, so neither its
            place nor its options are taken from the manifest. ``masks`` or ``images``, where folders
            lie elsewhere than the manifest says.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: what is named does not fit the manifest, or a config is needed and not named.
    """
    origin = manifest["source"]
    kinds = {name: manifest[name] for name in ("num_classes", "ignore_index", "key_parts")}
    of_folders = is_of_folders(manifest)
    wrong = named.keys() & ({"config", "cfg_options"} if of_folders else {"masks", "images"})
    if wrong:
        raise ValueError(
            f"the manifest is of {'folders' if of_folders else 'a config'}: "
            f"--{sorted(wrong)[0].replace('_', '-')} does not fit."
        )
    if of_folders:
        origin = {**origin, **named}
        return folder_source(
            _text(origin, "masks"),
            None if origin.get("images") is None else _text(origin, "images"),
            mask_suffix=_text(origin, "mask_suffix"),
            image_suffix=_suffixes(origin.get("image_suffix")),
            **kinds,
        )
    if named.get("config") is None:
        raise ValueError(
            f"the masks are of a config, which is code: name it after the manifest, if you trust it. "
            f"The manifest says {json.dumps(origin.get('config'))}."
        )
    if origin.get("split") not in _SPLITS:
        raise ValueError(f"source.split must be one of {', '.join(_SPLITS)}.")
    return config_source(
        named["config"], origin["split"], cfg_options=named.get("cfg_options"), **kinds
    )


def is_of_folders(manifest: dict[str, Any]) -> bool:
    """Whether the masks were those of a folder, which is read and not run."""
    return "masks" in manifest["source"]


def _text(origin: dict[str, Any], name: str) -> str:
    value = origin.get(name)
    if not isinstance(value, (str, os.PathLike)):
        raise ValueError(f"source.{name} must be text, got {value!r}.")
    return os.fspath(value)


def _suffixes(value: Any) -> str | list[str]:
    """What the names of images end in: as text that leads to no other folder."""
    each = [value] if isinstance(value, str) else value
    if not isinstance(each, list) or any(
        not isinstance(one, str) or ".." in one.replace("\\", "/").split("/") for one in each
    ):
        raise ValueError(f"source.image_suffix must be ends of names, got {value!r}.")
    return value


def noise_in(manifest: dict[str, Any]) -> MaskNoise:
    """The noise of a manifest: one of ours, with the numbers that the manifest holds.

    Raises:
        ValueError: anything else, a file to read parameters from included.
    """
    config = manifest["noise"]
    for value in _texts(config):
        if not value.isidentifier():  # names of noises and words are; paths are not
            raise ValueError(f"the noise of a manifest holds values alone, not {value!r}.")
    noise = build_noise(config)
    if json.loads(json.dumps(noise.config())) != config:
        raise ValueError("the noise of a manifest names all of its parameters; this one does not.")
    return noise


def _texts(value: Any) -> list[str]:
    """All texts in a piece of JSON but the names of settings."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
