"""What brain tissue, tumour and blood are made of, as far as 3 T images can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Tissue:
    """Proton density relative to water, T1 and T2 in seconds, contrast agent taken up in mmol/l."""

    pd: float
    t1: float
    t2: float
    agent: float = 0.0


TISSUES: Mapping[str, Tissue] = MappingProxyType(
    {
        # Grey and white matter at 3 T: Wansapura et al., J Magn Reson Imaging 9:531 (1999), T2 of grey matter Stanisz
        # et al., Magn Reson Med 54:507 (2005). Water content: Tofts, Quantitative MRI of the Brain (2003), chapter 4.
        # Agent: plasma level times blood volume (4 % and 2 %).
        "grey": Tissue(pd=0.82, t1=1.331, t2=0.099, agent=0.05),
        "white": Tissue(pd=0.69, t1=0.832, t2=0.080, agent=0.015),
        # Fluid: T1 Rooney et al., Magn Reson Med 57:308 (2007); T2 Piechnik et al., Magn Reson Med 61:579 (2009).
        "csf": Tissue(pd=1.00, t1=4.300, t2=1.800),
        # Blood: T1 Lu et al., Magn Reson Med 52:679 (2004); T2 of a venous mixture, Zhao et al., 58:592 (2007).
        "blood": Tissue(pd=0.80, t1=1.650, t2=0.060, agent=1.5),
        # Glioma at 3 T varies widely: values lie inside the ranges of Hattingen et al., Neuro-Oncology 15:1650
        # (2013), and Badve et al., AJNR 38:485 (2017); the agent was chosen so that rims look like those of exams.
        "oedema": Tissue(pd=0.85, t1=1.300, t2=0.170, agent=0.01),
        "enhancing": Tissue(pd=0.86, t1=1.450, t2=0.170, agent=0.20),
        "necrosis": Tissue(pd=0.94, t1=1.700, t2=0.260, agent=0.02),
    }
)
"""Mean values; an exam varies them smoothly from place to place."""
