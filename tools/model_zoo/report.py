"""Results per family: rows, a Markdown table, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tools.model_zoo.leaf_configs import Leaf
from tools.model_zoo.train_steps import STATUSES

_NOT_RUN = "not run"


@dataclass
class FamilyRow:
    """What came of the configs of one family.

    Attributes:
        family: folder of the configs.
        counts: status -> number of configs; ``not run`` too.
        models: number of different small models among them.
        notes: reasons of those that do not train, and losses that were kept, with their number.
    """

    family: str
    counts: Counter = field(default_factory=Counter)
    models: set = field(default_factory=set)
    notes: Counter = field(default_factory=Counter)


def result_of(leaf: Leaf, results: Mapping[str, Mapping]) -> Mapping:
    """The result of a config: known from reading it, or that of its model, or ``not run``."""
    if leaf.outcome is not None:
        return leaf.outcome.to_dict()
    return results.get(leaf.key) or {"status": _NOT_RUN, "reason": "", "kept": ""}


def family_rows(leaves: Iterable[Leaf], results: Mapping[str, Mapping]) -> list[FamilyRow]:
    """One row for each family, by name."""
    rows: dict[str, FamilyRow] = {}
    for leaf in leaves:
        row = rows.setdefault(leaf.family, FamilyRow(leaf.family))
        result = result_of(leaf, results)
        row.counts[result["status"]] += 1
        row.models.add(leaf.key)
        if result["reason"]:
            reason = result["reason"]
            row.notes[reason.split(" (")[0] if reason.startswith("needs") else reason] += 1
        if result.get("variant"):
            row.notes[f"tried with {result['variant']}"] += 1
        if result.get("kept"):
            row.notes[f"keeps {result['kept']}"] += 1
        if leaf.noise not in ("ok", "not asked"):
            row.notes[f"noise has no place: {leaf.noise}"] += 1
    return [rows[name] for name in sorted(rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def markdown(rows: list[FamilyRow]) -> str:
    """The rows as a Markdown table with a line of totals."""
    columns = (*STATUSES, _NOT_RUN) if any(row.counts[_NOT_RUN] for row in rows) else STATUSES
    total = Counter()
    for row in rows:
        total.update(row.counts)
    lines = [
        f"| family | configs | small models | {' | '.join(columns)} | notes (configs) |",
        f"|---|{'---:|' * (len(columns) + 2)}---|",
    ]
    for row in rows:
        notes = "; ".join(f"{_cell(note)} ({n})" for note, n in row.notes.most_common())
        numbers = (sum(row.counts.values()), len(row.models), *(row.counts[c] for c in columns))
        lines.append(f"| {row.family} | {' | '.join(map(str, numbers))} | {notes} |")
    models = len(set().union(*(row.models for row in rows)))
    numbers = (sum(total.values()), models, *(total[c] for c in columns))
    lines.append(f"| **all** | {' | '.join(f'**{n}**' for n in numbers)} | |")
    return "\n".join(lines) + "\n"


def _loss_cell(row: FamilyRow) -> str:
    """``+`` (all that apply train), ``n/a``, or how many do what."""
    counts = +Counter({k: n for k, n in row.counts.items() if k != "not applicable"})
    if not counts:
        return "n/a"
    if set(counts) == {"trains"}:
        return "+"
    return ", ".join(f"{counts[k]} {k}" for k in ("trains", "fails", _NOT_RUN) if counts[k])


def loss_table(leaves: list[Leaf], results: Mapping[str, Mapping[str, Mapping]]) -> str:
    """Families x losses as a Markdown table.

    A cell is ``+`` where all configs of the family that apply train with the loss, ``n/a`` where none
    applies, else how many do what; the last line gives how many families have a ``+``.

    Args:
        leaves: the configs.
        results: label of a loss -> results by key of the model.
    """
    rows = {label: family_rows(leaves, found) for label, found in results.items()}
    names = [label.replace("Loss", "", 1) for label in rows]
    lines = [
        f"| family | configs | {' | '.join(map(_cell, names))} | notes (configs x losses) |",
        f"|---|---:|{'---|' * len(names)}---|",
    ]
    plus: Counter = Counter()
    for per_loss in zip(*rows.values()):
        cells = [_loss_cell(row) for row in per_loss]
        plus.update(label for label, cell in zip(rows, cells) if cell == "+")
        notes: Counter = Counter()
        for row in per_loss:
            notes.update(row.notes)
        text = "; ".join(f"{_cell(note)} ({n})" for note, n in notes.most_common())
        configs = sum(per_loss[0].counts.values())
        lines.append(f"| {per_loss[0].family} | {configs} | {' | '.join(cells)} | {text} |")
    totals = " | ".join(f"**{plus[label]}**" for label in rows)
    lines.append(f"| **families with +** | **{len(leaves)}** | {totals} | |")
    return "\n".join(lines) + "\n"


def summary(leaves: list[Leaf], results: Mapping[str, Mapping]) -> dict:
    """All that is known, as JSON holds it: ``families``, ``configs`` and how models are shared."""
    rows = family_rows(leaves, results)
    shared = Counter(leaf.key for leaf in leaves)
    return {
        "configs": {
            leaf.path: {
                "model": leaf.key,
                "configs_of_this_model": shared[leaf.key],
                "noise": leaf.noise,
                **result_of(leaf, results),
            }
            for leaf in leaves
        },
        "families": {
            row.family: {
                "configs": sum(row.counts.values()),
                "models": len(row.models),
                **dict(row.counts),
                "notes": dict(row.notes),
            }
            for row in rows
        },
        "configs_per_model": {
            "models": len(shared),
            "most": max(shared.values(), default=0),
            "alone": sum(n == 1 for n in shared.values()),
        },
    }
