"""The page publishes the values that the simulator uses."""

import re
from pathlib import Path

import numpy as np
import pytest

from mriuq_cli.physics import exam, fse, qmri, sequence, t1w
from mriuq_cli.physics.tissue import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "physics.md").read_text()
ASSUMED = PAGE.partition("\n## Assumptions\n")[2]


def rows(part: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    lines = ASSUMED.partition(f"\n### {part}\n")[2].partition("\n### ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]


def numbers(cell: str) -> list[float]:
    return [float(found) for found in re.findall(r"\d*\.?\d+", cell)]


def test_the_table_of_tissues_is_that_of_the_code() -> None:
    published = {name: cells for name, *cells in rows("Values")}
    assert set(published) == set(FIELDS[3.0]) == set(FIELDS[1.5])
    for name, (pd, t1, t2, t2star, adc, agent) in published.items():
        for field, place in ((1.5, 0), (3.0, 1)):
            tissue = FIELDS[field][name]
            assert (tissue.pd, tissue.agent) == (float(pd), float(agent))
            assert 1000 * tissue.adc == pytest.approx(float(adc))
            for value, cell in ((tissue.t1, t1), (tissue.t2, t2), (tissue.t2star, t2star)):
                assert 1000 * value == pytest.approx(numbers(cell)[place])


def test_adc_of_tumours_is_said_as_it_is() -> None:
    text = " ".join(ASSUMED.partition("drawn apart")[2].partition("but within")[0].split())
    for word, tissue in (("rim", "enhancing"), ("does not enhance", "infiltrated"), ("oedema", "oedema"),
                         ("necrosis", "necrosis"), ("white matter", "white")):  # fmt: skip
        (value,) = re.findall(rf"{word} (\d?\.\d+)", text)
        assert float(value) == pytest.approx(1000 * FIELDS[3.0][tissue].adc)


def test_drawn_protocols_lie_in_the_published_ranges() -> None:
    """Columns are TR (s), TE (ms) and TI (s)."""
    table = {(image, equation.split("`")[1]): cells for image, equation, *cells in rows("Protocols and scanner")}

    def held(image: str, one: sequence.PulseSequence) -> None:
        tr, te, ti, _ = next(
            cells for (name, equation), cells in table.items() if image in name and equation == one.equation.__name__
        )
        for key, cell, unit in (("tr", tr, 1), ("te", te, 1000), ("ti", ti, 1)):
            if key in one.settings:
                low, high = numbers(cell)
                assert low <= round(one.settings[key] * unit, 6) <= high

    for seed in range(40):
        rng = np.random.default_rng(seed)
        for name, image in {"flair": "FLAIR", "t1": "T1, T1Gd", "t2": "`exam` T2"}.items():
            held(image, exam.protocol(rng)[name])
        held("`t1w`", t1w._protocol(rng))
    assert "eight times" in table["`qmri-t2`", "t2_decay"][3] and len(qmri.TIMES["te"]) == 8
    assert numbers(table["`qmri-t2`", "t2_decay"][1]) == [0, 1000 * qmri.TIMES["te"][-1]]
    assert numbers(table["`qmri-t1`", "look_locker"][2]) == [qmri.TIMES["ti"][0], qmri.TIMES["ti"][-1]]
    assert numbers(table["`fse`", "fast_spin_echo"][3]) == [1000 * fse._LAST]
