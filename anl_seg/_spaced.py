"""Some of many, spread over all of them."""

from __future__ import annotations


def evenly_spaced(total: int, wanted: int | None) -> list[int]:
    """At most ``wanted`` of the indices below ``total``, evenly spaced; None = all."""
    wanted = total if wanted is None else min(wanted, total)
    return [position * total // wanted for position in range(wanted)]
