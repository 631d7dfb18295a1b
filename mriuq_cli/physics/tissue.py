"""What heads are made of, as far as images at 1.5 T and 3 T can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mriuq_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Tissue:
    """Mean properties of a tissue; an exam varies them smoothly from place to place.

    Parameters
    ----------
    pd
        Proton density relative to water.
    t1, t2, t2star
        Seconds.
    adc
        mm^2/s.
    agent
        Contrast agent taken up, mmol/l.
    """

    pd: float
    t1: float
    t2: float
    t2star: float
    adc: float
    agent: float = 0.0


BRAIN = ("grey", "white", "csf", "blood")
LESIONS = ("oedema", "enhancing", "infiltrated", "necrosis", "hyperintensity")
OUTSIDE = ("fat", "muscle", "bone", "marrow", "eye", "mucosa")

# Grey and white matter: T1 and T2 at 3 T Wansapura et al., J Magn Reson Imaging 9:531 (1999); at 1.5 T T1 Rooney et
# al., Magn Reson Med 57:308 (2007), T2 Stanisz et al., 54:507 (2005); T2* Peters et al., Magn Reson Imaging 25:748
# (2007). Water content: Tofts, Quantitative MRI of the Brain (2003), chapter 4. Diffusion:
# Helenius et al., AJNR 23:194 (2002). Agent: plasma level times blood volume (4 % and 2 %).
# Fluid: T1 is within what was published at 3 T, from 3.82 (Lin et al., Proc Int Soc Magn Reson Med 9:1391, 2001) by
# 4.16 (Clare and Jezzard, Magn Reson Med 45:630, 2001) to 4.31 s (subarachnoid: PMC10696635, 2023), chosen by what
# FLAIR leaves of it in real exams, the same at both fields (Rooney 2007). T2 Piechnik et al., Magn Reson Med 61:579
# (2009), at both fields; free water at 37 degrees: Mills, J Phys Chem 77:685 (1973).
# Blood: T1 Zhang et al., Magn Reson Med 70:1082 (2013), Lu et al., 52:679 (2004); T2, T2* of a venous mixture, Zhao et
# al., 58:592 (2007), at 1.5 T Barth and Moser, Cell Mol Biol 43:783 (1997).
# Glioma varies widely: values lie inside the ranges of Hattingen et al., Neuro-Oncology 15:1650 (2013), Badve et al.,
# AJNR 38:485 (2017), and for diffusion Kono et al., AJNR 22:1081 (2001); the agent was chosen so that rims look like
# those of exams. Hyperintensities of ageing white matter: chosen between white matter and oedema.
# Fat, muscle, marrow: de Bazelaire et al., Radiology 230:652 (2004). Cortical bone: Reichert et al., Magn Reson Imaging
# 23:611 (2005). Eye: as fluid. Mucosa: chosen, as muscle with more water. T2* of these: chosen, below T2.
_AT_3T = {
    "grey": Tissue(0.82, 1.331, 0.110, 0.066, 0.89e-3, agent=0.05),
    "white": Tissue(0.69, 0.832, 0.080, 0.053, 0.70e-3, agent=0.015),
    "csf": Tissue(1.00, 3.900, 1.800, 0.500, 3.0e-3),
    "blood": Tissue(0.80, 1.650, 0.060, 0.025, 1.0e-3, agent=1.5),
    "oedema": Tissue(0.85, 1.300, 0.170, 0.110, 1.35e-3, agent=0.01),
    "enhancing": Tissue(0.86, 1.450, 0.170, 0.080, 1.10e-3, agent=0.20),
    "infiltrated": Tissue(0.86, 1.500, 0.180, 0.110, 1.25e-3, agent=0.015),
    "necrosis": Tissue(0.94, 1.700, 0.260, 0.120, 1.90e-3, agent=0.02),
    "hyperintensity": Tissue(0.78, 1.150, 0.125, 0.085, 1.05e-3, agent=0.01),
    "fat": Tissue(0.90, 0.382, 0.068, 0.030, 0.05e-3),
    "muscle": Tissue(0.75, 1.100, 0.035, 0.025, 1.4e-3, agent=0.05),
    "bone": Tissue(0.15, 0.240, 0.0005, 0.0004, 0.1e-3),
    "marrow": Tissue(0.60, 0.586, 0.049, 0.012, 0.3e-3),
    "eye": Tissue(0.98, 4.000, 0.800, 0.300, 2.8e-3),
    "mucosa": Tissue(0.85, 1.250, 0.080, 0.030, 1.6e-3, agent=0.30),
}
_AT_15T = {
    "grey": Tissue(0.82, 1.188, 0.095, 0.084, 0.89e-3, agent=0.05),
    "white": Tissue(0.69, 0.656, 0.072, 0.066, 0.70e-3, agent=0.015),
    "csf": Tissue(1.00, 3.900, 1.800, 0.700, 3.0e-3),
    "blood": Tissue(0.80, 1.480, 0.120, 0.060, 1.0e-3, agent=1.5),
    "oedema": Tissue(0.85, 1.130, 0.180, 0.130, 1.35e-3, agent=0.01),
    "enhancing": Tissue(0.86, 1.250, 0.180, 0.110, 1.10e-3, agent=0.20),
    "infiltrated": Tissue(0.86, 1.300, 0.190, 0.130, 1.25e-3, agent=0.015),
    "necrosis": Tissue(0.94, 1.500, 0.280, 0.150, 1.90e-3, agent=0.02),
    "hyperintensity": Tissue(0.78, 0.950, 0.125, 0.100, 1.05e-3, agent=0.01),
    "fat": Tissue(0.90, 0.343, 0.058, 0.035, 0.05e-3),
    "muscle": Tissue(0.75, 0.960, 0.035, 0.028, 1.4e-3, agent=0.05),
    "bone": Tissue(0.15, 0.200, 0.0005, 0.0004, 0.1e-3),
    "marrow": Tissue(0.60, 0.549, 0.049, 0.018, 0.3e-3),
    "eye": Tissue(0.98, 4.000, 0.800, 0.400, 2.8e-3),
    "mucosa": Tissue(0.85, 1.100, 0.085, 0.040, 1.6e-3, agent=0.30),
}
FIELDS: Mapping[float, Mapping[str, Tissue]] = MappingProxyType(
    {1.5: MappingProxyType(_AT_15T), 3.0: MappingProxyType(_AT_3T)}
)
"""Field strength in tesla to tissues by name."""


def tissues(field: float = 3.0) -> Mapping[str, Tissue]:
    """Return the tissues at a field strength in tesla.

    Raises
    ------
    UsageError
        If none are known at that field.
    """
    if field not in FIELDS:
        known = " and ".join(f"{one:g} T" for one in FIELDS)
        raise UsageError(f"no tissue values are known at {field:g} T", hint=f"Known: {known}.")
    return FIELDS[field]
