"""Options are data: what is wrong with them is said in words, what is right becomes parameters and typed values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from mriuq_cli.errors import MethodError, UsageError
from mriuq_cli.hooks.method import API_VERSION, Method, Option, Role
from mriuq_cli.hooks.options import bind, default_values, option_problems, role_names

ROLES = (Role("t1", "T1", ("t1w",)), Role("t1gd", "T1 with gadolinium", ("t1ce", "T1C")), Role("flair", "FLAIR"))


@dataclass
class Plugin:
    given: tuple[Option, ...] = ()
    partial: bool = True
    outliers: bool = False
    name: str = "fake"

    @property
    def method(self):
        return Method(API_VERSION, "fake", ROLES, ROLES, partial=self.partial, outliers=self.outliers)

    def options(self, verb):
        return self.given


def verb(
    method: str,
    roles: Mapping[str, Path],
    options: Mapping[str, Any],
    inputs: Annotated[list[Path] | None, typer.Argument()] = None,
    missing: Annotated[list[str] | None, typer.Option()] = None,
    outliers: Annotated[bool, typer.Option("--outliers")] = False,
    seed: Annotated[int, typer.Option("--seed", "-s")] = 0,
) -> None:
    """Do it."""
    calls.append({"method": method, "roles": roles, "options": options, "inputs": inputs, "missing": missing,
                  "outliers": outliers})  # fmt: skip


calls: list[dict[str, Any]] = []


def run(plugin, *words):
    """Run a command made for a plugin; return what the verb got, or raise what it raised."""
    calls.clear()
    app = typer.Typer(add_completion=False)
    app.command()(bind(verb, plugin, "predict"))
    result = CliRunner().invoke(app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return calls[0] if calls else result


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        (Option("Name", "int", "x"), "lower-case"),
        (Option("--name", "int", "x"), "without leading dashes"),
        (Option("name", "int", " "), "help is empty"),
        (Option("name", "complex", "x"), "type is 'complex'"),
        (Option("name", "int", "x", default=1.5), "not of type int"),
        (Option("name", "int", "x", default=True), "not of type int"),
        (Option("name", "str", "x", default="c", choices=("a", "b")), "not among the choices"),
        (Option("name", "int", "x", choices=("1",)), "only a str option has choices"),
        (Option("name", "bool", "x", multiple=True), "a flag cannot be multiple"),
        (Option("name", "str", "x", default="ab", multiple=True), "is a tuple"),
        (Option(None, "int", "x"), "are words"),
        (Option("name", "int", None), "are words"),
        (Option("name", "int", "x", default=1, multiple=True), "is a tuple"),
        ("name", "is not an Option"),
    ],
)
def test_what_is_wrong_with_an_option_is_said(option, fault):
    (problem,) = option_problems([option])
    assert fault in problem


def test_a_name_given_twice_is_a_fault_and_sound_options_have_none():
    twin = Option("margin", "float", "x", default=1)
    assert option_problems([twin]) == []
    assert option_problems([twin, twin]) == ["--margin: given twice"]


def test_files_of_contrasts_arrive_by_role_whatever_alias_was_used():
    assert run(Plugin(), "--t1w", "a", "--t1ce", "b")["roles"] == {"t1": Path("a"), "t1gd": Path("b")}


@pytest.mark.parametrize("again", ["--t1gd", "--t1ce"])
def test_a_contrast_given_twice_is_a_usage_error_and_not_the_last_one(again):
    with pytest.raises(UsageError, match="contrast t1gd is given twice") as caught:
        run(Plugin(), "--t1gd", "a.nii", again, "b.nii")
    assert "a.nii and b.nii" in str(caught.value)


def test_values_arrive_typed_under_names_with_underscores():
    given = (
        Option("half-width", "float", "x", default=1.5),
        Option("steps", "int", "x"),
        Option("outliers", "bool", "x"),
        Option("sharpen", "bool", "x", default=True),
        Option("where", "path", "x"),
        Option("modes", "str", "x", choices=("a", "b", "c"), multiple=True),
        Option("sizes", "int", "x", default=(3,), multiple=True),
        Option("files", "path", "x", multiple=True),
    )
    words = "--half-width 2 --steps 3 --outliers --no-sharpen --where f --modes a,b --modes c --sizes 1,2 --files x,y"
    assert run(Plugin(given), *words.split())["options"] == {
        "half_width": 2.0,
        "steps": 3,
        "outliers": True,
        "sharpen": False,
        "where": Path("f"),
        "modes": ("a", "b", "c"),
        "sizes": (1, 2),
        "files": (Path("x,y"),),
    }
    plain = run(Plugin(given))["options"]
    assert plain == default_values(given)
    assert plain == {
        "half_width": 1.5,
        "steps": None,
        "outliers": False,
        "sharpen": True,
        "where": None,
        "modes": (),
        "sizes": (3,),
        "files": (),
    }


def test_missing_contrasts_are_named_once_by_their_roles():
    assert run(Plugin(), "--missing", "T1CE,flair")["missing"] == ["t1gd", "flair"]
    assert run(Plugin(), "--missing", "t1", "--missing", "flair")["missing"] == ["t1", "flair"]


def test_a_method_that_needs_every_input_has_no_missing():
    result = run(Plugin(partial=False), "--missing", "t1")
    assert result.exit_code == 2
    assert run(Plugin(partial=False))["missing"] is None


def test_outlier_maps_are_offered_where_the_method_can_make_them():
    assert run(Plugin(outliers=True), "--outliers")["outliers"] is True
    assert run(Plugin(), "--outliers").exit_code == 2


@pytest.mark.parametrize("words", [["flare"], ["t1,t1w"], ["t1", "t1"]])
def test_an_unknown_contrast_or_one_named_twice_is_a_usage_error(words):
    with pytest.raises(UsageError, match=r"did you mean 'flair'|named twice"):
        role_names(words, ROLES)


@pytest.mark.parametrize(
    ("words", "said"), [(["--mode", "c"], "One of: aa, bb"), (["--sizes", "1,x"], "'x' is not of type int")]
)
def test_a_value_that_does_not_fit_is_a_usage_error(words, said):
    given = (Option("mode", "str", "x", choices=("aa", "bb")), Option("sizes", "int", "x", multiple=True))
    with pytest.raises(UsageError) as caught:
        run(Plugin(given), *words)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["seed", "missing", "t1", "t1ce", "help", "debug"])
def test_an_option_that_the_command_has_already_is_an_error_of_the_method(name):
    with pytest.raises(MethodError, match=f"--{name} is already an option"):
        run(Plugin((Option(name, "str", "x"),)))


def test_the_verbs_own_parameters_come_through():
    got = run(Plugin(), "in.nii.gz", "-s", "3")
    assert (got["method"], got["inputs"], got["missing"]) == ("fake", [Path("in.nii.gz")], None)
