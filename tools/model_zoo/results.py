"""Results as JSON lines: one per small model, written as it is done, so that a run can go on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from anl_seg._files import json_lines
from tools.model_zoo.train_steps import Outcome


@dataclass(frozen=True)
class Settings:
    """What a result depends on besides the model; a result of other settings does not count.

    Attributes:
        loss: loss config.
        noise: noise config.
        versions: of mmseg, mmengine, torch and, where they are installed, mmdet and mmpretrain.
    """

    loss: dict
    noise: dict
    versions: str

    @classmethod
    def here(cls, loss: dict, noise: dict) -> Settings:
        """Those of this installation."""
        import mmengine
        import mmseg

        versions = f"mmseg {mmseg.__version__}, mmengine {mmengine.__version__}"
        versions += f", torch {torch.__version__}"
        for package in ("mmdet", "mmpretrain"):
            with contextlib.suppress(PackageNotFoundError):
                versions += f", {package} {version(package)}"
        return cls(loss, noise, versions)


class ResultFile:
    """The results of earlier runs with the same settings, and a place for new ones.

    Args:
        path: file of JSON lines; made when the first result comes.
        settings: those of this run.
    """

    def __init__(self, path: str | Path, settings: Settings) -> None:
        self.path = Path(path)
        # As JSON gives them back: a tuple in a loss would never equal the list that is read.
        self.settings = json.loads(json.dumps(asdict(settings)))

    def read(self) -> dict[str, dict]:
        """Model key -> result (``status``, ``reason``, ..., ``seconds``); a torn last line is passed over."""
        found = {}
        for record in json_lines(self.path):
            if record.get("settings") == self.settings:
                found[record["key"]] = record["result"]
        return found

    def append(self, key: str, outcome: Outcome, seconds: float) -> Mapping:
        """Write one result and return it."""
        result = {**outcome.to_dict(), "seconds": round(seconds, 2)}
        record = {"key": key, "settings": self.settings, "result": result}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            # A kill may have torn the last line: start a new one.
            if file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n":
                file.write(b"\n")
            file.write(json.dumps(record, sort_keys=True).encode() + b"\n")
            file.flush()
        return result
