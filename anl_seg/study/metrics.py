"""What a study measures, and by what its losses are compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Validations of a run: step -> metric -> value.
Validations = Mapping[int, Mapping[str, float]]
#: What is taken of a metric's values over a training; begins the names of columns: ``final mIoU``.
KINDS = ("final", "best", "stopped", "last_k")


def mean_of_known(values: Iterable[float | None]) -> float:
    """The mean of those values that are neither None nor NaN; NaN without one."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


@dataclass(frozen=True)
class Metrics:
    """The metrics of a study.

    Attributes:
        main: the metric that losses are compared by.
        others: further metrics to show.
        last_k: number of validations at the end that ``last_k`` is the mean of, 1 or more.
        stop_by: the metric whose best validation ``stopped`` is taken at; None: no such column.
        baseline: the loss that the others are tested against; None: only the best one.
        listed_as_lower: metrics of which small values are good, besides errors and losses.
    """

    main: str
    others: tuple[str, ...] = ()
    last_k: int = 1
    stop_by: str | None = None
    baseline: str | None = None
    listed_as_lower: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Metrics:
        """The ``metrics`` of a study file or of a plan; keys for trainings only are passed over."""
        return cls(
            main=settings["main"],
            others=tuple(settings.get("others", ())),
            last_k=settings.get("last_k", 1),
            stop_by=settings.get("stop_by"),
            baseline=settings.get("baseline"),
            listed_as_lower=frozenset(settings.get("lower_is_better", ())),
        )

    @property
    def names(self) -> list[str]:
        """The metrics, the main one first, and last the one that ``stopped`` is taken by."""
        stop_by = [self.stop_by] if self.stop_by else []
        return list(dict.fromkeys([self.main, *self.others, *stop_by]))

    @property
    def kinds(self) -> list[str]:
        """Those of ``KINDS`` that the study distinguishes."""
        asked = {"stopped": bool(self.stop_by), "last_k": self.last_k > 1}
        return [kind for kind in KINDS if asked.get(kind, True)]

    def column(self, metric: str) -> str:
        """The column that losses are compared by in one metric: its mean over the last k validations, or,
        where k is 1, its final value (which is the same)."""
        return f"{'last_k' if self.last_k > 1 else 'final'} {metric}"

    @property
    def main_column(self) -> str:
        """The column that losses are compared by."""
        return self.column(self.main)

    @property
    def main_columns(self) -> list[str]:
        """All columns of the main metric, in the order of ``KINDS``."""
        return [f"{kind} {self.main}" for kind in self.kinds]

    @property
    def class_prefix(self) -> str | None:
        """Start of the names of the classes' values that the main metric is the mean of: ``Dice.`` of
        ``mDice`` and ``mDice.fg``, ``IoU.`` of ``mIoU``; None for a metric without them."""
        folder, slash, name = self.main.rpartition("/")
        kind = name.split(".", 1)[0]
        return f"{folder}{slash}{kind[1:]}." if kind in ("mDice", "mIoU") else None

    def lower_is_better(self, metric: str) -> bool:
        """Whether small values are good: of metrics that the study lists, of errors and of losses.

        Args:
            metric: its name, or a column of it, such as ``final ECE``.
        """
        name = metric.split(" ", 1)[-1]
        # Of IoU.glossary only IoU says what it is.
        kind = name.rsplit("/", 1)[-1].split(".", 1)[0]
        is_error = kind == "ECE" or "error" in kind.lower() or "loss" in kind.lower()
        return is_error or name in self.listed_as_lower

    def best_step(self, validations: Validations, metric: str) -> int | None:
        """The step of the first validation at which a metric is best; None where it has no value."""
        known = {
            step: values[metric]
            for step, values in sorted(validations.items())
            if not math.isnan(values.get(metric, math.nan))
        }
        pick = min if self.lower_is_better(metric) else max
        return pick(known, key=known.__getitem__, default=None)

    def columns_of(self, validations: Validations, metric: str) -> dict[str, float]:
        """Column -> value of a metric over a training; NaN where there is none.

        The mean over the last k is over fewer where there are fewer; values that are NaN are left out of it.
        """
        values = [validations[step].get(metric, math.nan) for step in sorted(validations)]
        best = self.best_step(validations, metric)
        found = {
            "final": values[-1] if values else math.nan,
            "best": math.nan if best is None else validations[best][metric],
            "last_k": mean_of_known(values[-self.last_k :]),
        }
        if self.stop_by:
            stop = self.best_step(validations, self.stop_by)
            found["stopped"] = math.nan if stop is None else validations[stop].get(metric, math.nan)
        return {f"{kind} {metric}": value for kind, value in found.items()}

    def title(self, column: str) -> str:
        """``last_k mIoU`` in words."""
        kind, metric = column.split(" ", 1)
        kinds = {
            "final": "last validation",
            "best": "best validation",
            "stopped": f"validation where {self.stop_by} is best",
            "last_k": f"mean of the last {self.last_k} validations",
        }
        return f"{metric}, {kinds[kind]}"
