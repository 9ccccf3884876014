"""The one way in which a report reads the files of a run: what is wrong with one is a sentence, no error."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anl_seg._files import check_regular_file, counted_json_lines, json_value
from anl_seg.engine.hooks.loss_diagnostics_hook import FILE_NAME as DIAGNOSTICS_FILE
from anl_seg.engine.hooks.memorization_hook import FILE_NAME as MEMORIZATION_FILE
from anl_seg.engine.hooks.noise_statistics_hook import FILE_NAME as NOISE_FILE
from anl_seg.engine.hooks.resource_hook import FILE_NAME as RESOURCE_FILE
from anl_seg.study.run.checkpoints import is_log_line, log_files
from anl_seg.study.run.state import known_state
from anl_seg.study.shown_paths import hidden

ENVIRONMENT_FILE = "environment.json"
#: What stands there besides numbers.
_RESOURCE_NUMBERS = ("seconds", "peak_rss_bytes", "peak_cuda_bytes")
_PER_CLASS = ("pixels", "pull", "gradient", "prob", "flat")


def _is_number(value: Any, *, none: bool = True) -> bool:
    if value is None:
        return none
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_part(part: Any) -> bool:
    """Whether a part of a memorization record has numbers where a report takes them."""
    return isinstance(part, dict) and all(
        _is_number(value)
        for key, value in part.items()
        if key not in ("class", "step", "epoch") and not isinstance(value, list)
    )


def _is_memorization(record: Any) -> bool:
    if not _is_part(record) or not _is_number(record.get("step"), none=False):
        return False
    distances, classes = record.get("by_distance") or [], record.get("by_class") or []
    return (
        isinstance(distances, list)
        and isinstance(classes, list)
        and all(_is_part(p) and {"low", "high", "memorized_share"} <= set(p) for p in distances)
        and all(_is_part(p) and {"class", "memorized_share"} <= set(p) for p in classes)
    )


def _is_diagnostics(line: dict) -> bool:
    lists = [values for key in _PER_CLASS if isinstance(values := line.get(key), list)]
    return (
        len(lists) == len(_PER_CLASS)
        and all(isinstance(line.get(key), str) for key in ("loss", "by"))
        and _is_number(line.get("logit_scale"), none=False)
        and all(_is_number(value) for values in lists for value in values)
        and len({len(values) for values in lists}) == 1
    )


def _is_resources(content: Mapping) -> bool:
    return all(_is_number(content.get(key)) for key in _RESOURCE_NUMBERS) and isinstance(
        content.get("device"), (str, type(None))
    )


def _is_environment(content: Mapping) -> bool:
    texts = [content.get(key) for key in ("commit", "python", "device")]
    return all(isinstance(text, (str, type(None))) for text in texts) and isinstance(
        content.get("packages") or {}, dict
    )


class RunFiles:
    """The files of a run's folder; one that cannot be read is a problem and no error.

    Args:
        path: of the folder.
        name: what problems call it, relative to the work dir.
        hide: takes the machine's folders out of texts.

    Attributes:
        problems: sentences that name folder and file.
    """

    def __init__(self, path: Path, name: str, hide: Callable[[str], str] = str) -> None:
        self.path, self.name, self.hide = path, name, hide
        self.problems: list[str] = []

    def _wrong(self, file_name: str, fault: str) -> None:
        self.problems.append(self.hide(f"{self.name}/{file_name} {fault}."))

    def _is_there(self, file_name: str) -> bool:
        """Whether there is such a file; an error if it is a pipe, a folder or a broken link."""
        if not os.path.lexists(self.path / file_name):
            return False
        check_regular_file(self.path / file_name)
        return True

    def text(self, file_name: str) -> str | None:
        """Content of a text file; None where there is none."""
        path = self.path / file_name
        try:
            if not self._is_there(file_name):
                return None
            return self.hide(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self._wrong(file_name, f"cannot be read: {error}")
            return None

    def json(
        self, file_name: str, kind: type, check: Callable[[Any], bool] = lambda content: True
    ) -> Any:
        """Content of a JSON file, or an empty ``kind``."""
        path = self.path / file_name
        try:
            if not self._is_there(file_name):
                return kind()
            content = json_value(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            self._wrong(file_name, f"cannot be read: {error}")
            return kind()
        if not isinstance(content, kind):
            self._wrong(file_name, f"holds no {kind.__name__}")
        elif not check(content):
            self._wrong(file_name, "holds values of the wrong kind, so that nothing of it is used")
        else:
            return hidden(content, self.hide)
        return kind()

    def state(self) -> dict:
        """That of :func:`anl_seg.study.run.state.known_state`."""
        return hidden(known_state(self.path), self.hide)

    def lines(self, file_name: str, check: Callable[[dict], bool]) -> list[dict]:
        """The lines of a file of JSON lines that are whole and have the right values."""
        try:
            if not self._is_there(file_name):
                return []
            found, broken = counted_json_lines(self.path / file_name)
        except (OSError, ValueError) as error:
            self._wrong(file_name, f"cannot be read: {error}")
            return []
        if broken:
            self._wrong(file_name, f"has {broken} lines that cannot be read, left out")
        good = [line for line in found if check(line)]
        if len(good) < len(found):
            wrong = len(found) - len(good)
            self._wrong(file_name, f"has {wrong} lines with values of the wrong kind, left out")
        return hidden(good, self.hide)

    def log_lines(self) -> list[dict]:
        """What mmengine logged, all attempts."""
        found = []
        for path in log_files(self.path):
            found += self.lines(path.relative_to(self.path).as_posix(), is_log_line)
        return found

    def metrics(self) -> dict[int, dict[str, float]]:
        """Step -> all numbers logged at it without a loss beside them; what was logged last wins."""
        found: dict[int, dict[str, float]] = {}
        for line in self.log_lines():
            if "step" in line and "loss" not in line:
                numbers = {k: v for k, v in line.items() if _is_number(v, none=False)}
                found.setdefault(int(line["step"]), {}).update(numbers)
        return found

    def memorization(self) -> list[dict]:
        """Records of memorization."""
        return self.json(MEMORIZATION_FILE, list, lambda found: all(map(_is_memorization, found)))

    def diagnostics(self) -> list[dict]:
        """Records of what the losses did."""
        return self.lines(DIAGNOSTICS_FILE, _is_diagnostics)

    def resources(self) -> dict:
        """Seconds and memory."""
        return self.json(RESOURCE_FILE, dict, _is_resources)

    def environment(self) -> dict:
        """Versions, device and commit."""
        return self.json(ENVIRONMENT_FILE, dict, _is_environment)

    def config(self) -> str:
        """Text of the full configuration; empty if not recorded."""
        content = self.json("run.json", dict, lambda run: isinstance(run.get("config", ""), str))
        return content.get("config", "")

    def noise_share(self) -> float | None:
        """Changed pixels of valid pixels over all noisy training sets."""
        statistics = self.json(NOISE_FILE, dict)
        try:
            counts = [entry["statistics"] for entry in statistics.get("datasets", [])]
            valid = math.fsum(count["valid_pixels"] for count in counts)
            changed = math.fsum(count["changed_pixels"] for count in counts)
        except (KeyError, TypeError, ValueError) as error:
            self._wrong(NOISE_FILE, f"has no counts of pixels ({type(error).__name__}: {error})")
            return None
        return changed / valid if valid else None

    def checkpoint(self) -> Path | None:
        """The checkpoint that mmengine names as the last; it may have moved with its folder."""
        pointer = self.text("last_checkpoint")
        # On Windows too the name is what stands last.
        name = Path((pointer or "").strip().replace("\\", "/")).name
        return self.path / name if name and (self.path / name).is_file() else None
