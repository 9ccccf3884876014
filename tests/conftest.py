"""Hypothesis profiles: a short one for ``make test``, a long one for ``make test-long``."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("short", max_examples=30, deadline=None)
settings.register_profile("long", max_examples=500, deadline=None)
settings.load_profile("short")
