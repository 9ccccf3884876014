"""The file of the manifest: one line for each setting and each mask, sealed by a checksum."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from anl_seg.corruption.atomic import write_bytes_atomically

FILE_NAME = "manifest.json"
FORMAT = 1


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

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no manifest at '{path}'.")
    data = path.read_bytes()
    try:
        content = json.loads(data.decode("utf-8"))
        known = content["format"]
        text = manifest_text(content)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"'{path}' is no manifest of corrupt_dataset.py: {error}") from error
    if known != FORMAT:
        raise ValueError(f"'{path}' has format {known!r}; this version reads format {FORMAT}.")
    return content, text.encode("ascii") == data


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
    return text if len(text) <= 80 else f"{text[:77]}..."
