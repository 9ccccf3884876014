"""The file of the manifest: one line for each setting and each mask, sealed by a checksum."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from anl_seg._files import check_inside_name, read_regular_file, write_bytes_atomically
from anl_seg._suggest import sentence

FILE_NAME = "manifest.json"
FORMAT = 1

_KINDS = {
    "status": str,
    "noise": dict,
    "seed": int,
    "num_classes": int,
    "ignore_index": int,
    "key_parts": int,
    "source": dict,
    "datasets": list,
    "samples": dict,
}
_RECORD_KINDS = {
    "file": str,
    "dataset": int,
    "key": str,
    "sha256": str,
    "valid_pixels": int,
    "changed_pixels": int,
}


def manifest_text(content: dict[str, Any]) -> str:
    """Strict JSON, one line for each setting, row of the confusion matrix and file, and a checksum."""
    body = {key: value for key, value in content.items() if key != "sha256"}
    plain = _lines(body)
    return _lines({**body, "sha256": hashlib.sha256(plain.encode("ascii")).hexdigest()})


def _lines(content: dict[str, Any]) -> str:
    entries = []
    for key, value in content.items():
        text = _compact(value)
        if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
            text = "[\n" + ",\n".join(f"  {_compact(item)}" for item in value) + "\n]"
        entries.append(f"{_compact(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def write_manifest(out: Path, content: dict[str, Any]) -> None:
    """Write ``manifest.json`` at once or not at all."""
    write_bytes_atomically(out / FILE_NAME, manifest_text(content).encode("ascii"))


def read_manifest(path: str | Path) -> tuple[dict[str, Any], bool]:
    """A manifest, and whether it is byte for byte as it was written.

    It may come from anywhere: it is values alone, every one that is used is of its kind, and no file
    is named that lies elsewhere than below the manifest's folder.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not one of ours.
    """
    path = Path(path)
    if not os.path.lexists(path):
        raise FileNotFoundError(f"no manifest at '{path}'.")
    data = read_regular_file(path, "manifest")
    try:
        content = json.loads(data.decode("utf-8"))
        known = content["format"]
        text = manifest_text(content)
        if known == FORMAT:
            _check_form(content)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is no manifest of corrupt_dataset.py: {sentence(error)}"
        ) from error
    if known != FORMAT:
        raise ValueError(f"'{path}' has format {known!r}; this version reads format {FORMAT}.")
    return content, text.encode("ascii") == data


def _check_form(content: dict[str, Any]) -> None:
    """Raise a ValueError unless every value that is used is of its kind."""
    _check_kinds(content, _KINDS, "")
    for number, dataset in enumerate(content["datasets"]):
        _check_kinds(dataset, {}, f"datasets.{number}.")
    if not isinstance(content["noise"].get("type"), str):
        raise ValueError("noise.type must be the name of a noise")
    names = set()
    for number, record in enumerate(content.get("files", [])):
        place = f"files.{number}."
        _check_kinds(record, _RECORD_KINDS, place)
        name = check_inside_name(record["file"], f"{place}file")
        if name in names:
            raise ValueError(f"{place}file: {name!r} is listed twice")
        names.add(name)
        if not 0 <= record["dataset"] < len(content["datasets"]):
            raise ValueError(
                f"{place}dataset is {record['dataset']} of {len(content['datasets'])} data sets"
            )


def _check_kinds(content: Any, kinds: dict[str, type], place: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{place.rstrip('.')} must be settings by name, got {_short(content)}")
    for name, kind in kinds.items():
        # Not isinstance: True would be an integer.
        if type(content.get(name)) is not kind:
            raise ValueError(
                f"{place}{name} must be of type {kind.__name__}, got {_short(content.get(name))}"
            )


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """In words, where two pieces of manifests differ: ``"noise.rate: 0.3 there, 0.4 here"``."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        found = []
        for key in keys:
            place = f"{name}.{key}" if name else str(key)
            found += differences(old.get(key), new.get(key), place)
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new) <= 8:
        return [
            text
            for i, (one, other) in enumerate(zip(old, new))
            for text in differences(one, other, f"{name}.{i}")
        ]
    same = type(old) is type(new) and old == new
    return [] if same else [f"{name}: {_short(old)} there, {_short(new)} here"]


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value)
    # Both ends: paths often differ in the last part.
    return text if len(text) <= 80 else f"{text[:30]}...{text[-47:]}"
