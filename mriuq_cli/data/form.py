"""The ways in which simulated cases can be laid out on disk; a name each, so that help needs nothing heavy."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """A folder a case as in the BraTS challenges, one 4-D file a case, or BIDS."""

    brats = "brats"
    four_d = "4d"
    bids = "bids"
