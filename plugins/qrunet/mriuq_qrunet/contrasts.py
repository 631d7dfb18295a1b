"""The four contrasts and the quantiles, in the order in which every tensor of this package holds them."""

from __future__ import annotations

CONTRASTS = ("flair", "t1", "t1gd", "t2")
"""Channel order, that of MSD Task01."""

DISPLAY = (1000.0, 250.0)
"""Brain mean and SD of what a file of a synthetic contrast holds: ``mean + sd * z``."""
