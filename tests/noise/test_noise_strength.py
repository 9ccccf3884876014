"""Strength means what it says: a few masks of the measurement behind docs/noise_strength.md."""

from __future__ import annotations

from benchmarks.noise_strength import measure, table


def test_every_row_is_within_its_tolerance():
    rows = measure(24)
    assert all(row.holds for row in rows), "\n" + table(rows)
