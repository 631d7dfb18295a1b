"""Recipes: what is accepted, what is refused, and that every complaint leads to its place in the file."""

from types import SimpleNamespace

import pytest

from mriuq_cli.errors import InputError, UsageError
from mriuq_cli.training.recipe import Recipe, change_recipe, parse_recipe, read_recipe, write_recipe
from mriuq_cli.training.run import resolve_config

WHOLE = """\
method: qrunet
preset: tiny
model: {crop: 16, taus: [0.05, 0.5, 0.95], fov: free}
seed: 3
folds: {count: 4, hold_out: 1}
train: {steps: 100, minutes: 2.5, batch: 3, rate: 1e-4, warmup: 0, decay: 1e-5, clip: 2, average: 0, precision: float32}
validation: {subjects: 2, every: 10, batches: 1}
"""


def complaint(text):
    with pytest.raises(UsageError) as caught:
        parse_recipe(text, "my.yaml")
    return str(caught.value)


def with_line(line):
    return complaint(f"method: m\npreset: p\n{line}\n")


def test_a_recipe_needs_method_and_preset_and_everything_else_has_a_default():
    assert parse_recipe("{method: m, preset: p}", "x") == Recipe(method="m", preset="p")
    assert complaint("seed: 1").count("Field required") == 2


def test_written_and_read_again_a_recipe_is_the_same_and_states_its_defaults():
    recipe = parse_recipe(WHOLE, "x")
    assert parse_recipe(write_recipe(recipe), "y") == recipe
    plain = write_recipe(Recipe(method="m", preset="p"))
    assert "batch: 2" in plain and "precision: auto" in plain and "null" not in plain
    assert parse_recipe(plain, "z") == Recipe(method="m", preset="p")


def test_a_complaint_names_file_line_and_column():
    assert complaint(WHOLE.replace("batch: 3", "batch: no")).startswith("my.yaml: line 6, column 35: train.batch: ")


def test_all_faults_are_told_at_once():
    told = complaint("method: m\npreset: p\nseed: -1\nfold: 2\ntrain:\n  rate: 0\n  precision: half\n")
    assert [line.split(": ")[-2] for line in told.splitlines()] == ["seed", "train.rate", "train.precision", "fold"]
    assert all(f"line {line}, " in told for line in (3, 4, 6, 7))


def test_keys_given_twice_are_refused_each_with_its_place():
    told = complaint("method: m\npreset: p\nseed: 1\nseed: 2\ntrain: {rate: 1, rate: 2}\n")
    assert "line 4, column 1: key 'seed' is given twice" in told
    assert "line 5, column 18: key 'rate' is given twice" in told


@pytest.mark.parametrize("word", ["1e-4", "1.0e-4", "1E-4", ".0001", "0.000_1"])
def test_every_usual_way_to_write_a_number_is_a_number(word):
    assert parse_recipe(f"{{method: m, preset: p, train: {{rate: {word}}}, model: {{x: {word}}}}}", "x") == Recipe(
        method="m", preset="p", train={"rate": 1e-4}, model={"x": 1e-4}
    )


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "1:30", "2020-01-31", "2020-13-45", "010", "0x1f"])
def test_words_that_yaml_1_1_would_turn_into_something_else_stay_words(word):
    assert parse_recipe(f"{{method: m, preset: p, model: {{x: {word}}}}}", "x").model == {"x": word}


def test_an_unknown_key_is_refused_by_name():
    assert "line 3, column 1: epochs: no such key" in with_line("epochs: 3")
    assert "line 3, column 9: train.epochs: " in with_line("train: {epochs: 3}")
    assert "line 3, column 1: on: " in with_line("on: 3")


def test_the_nearest_key_is_offered_wherever_it_was_missed():
    assert "line 3, column 1: sead: no such key; did you mean 'seed'?" in with_line("sead: 3")
    assert "train.stepz: no such key; did you mean 'steps'?" in with_line("train: {stepz: 3}")
    assert "folds.counts: no such key; did you mean 'count'?" in with_line("folds: {counts: 3}")


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~"])
def test_a_key_that_is_no_text_is_refused_by_name_even_where_keys_are_free(key):
    assert f"line 3, column 9: {key}: keys must be text" in with_line(f"model: {{{key}: 3}}")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("model: {x: !!python/object/apply:os.getcwd []}", "python/object/apply:os.getcwd is not used"),
        ("model: {x: !!python/name:os.system }", "python/name:os.system is not used"),
        ("model: {x: !!set {a, b}}", "!!set is not used"),
        ("model: {x: !mine 3}", "!mine is not used"),
        ("model: &a {x: *a}", "aliases are not used"),
        ("model: {x: [1, 2}", "expected ',' or ']'"),
    ],
)
def test_tags_aliases_and_broken_yaml_are_refused_at_their_place(line, why):
    told = with_line(line)
    assert "my.yaml: line 3, column" in told and why in told


@pytest.mark.parametrize("text", ["a\x00b", "[" * 5000, "{method: !!int m}"])
def test_what_no_recipe_can_be_is_refused_with_words(text):
    assert complaint(text).startswith("my.yaml: is no YAML")


@pytest.mark.parametrize(
    ("text", "why"), [("", "empty"), ("# nothing\n", "empty"), ("- a\n", "recipe: "), ("a", "recipe: ")]
)
def test_a_document_that_is_no_mapping_is_refused(text, why):
    assert why in complaint(text)


@pytest.mark.parametrize("rate", [".inf", ".nan", "-1", "0", "fast"])
def test_a_rate_is_a_positive_finite_number(rate):
    assert "line 3, column 9: train.rate: " in with_line(f"train: {{rate: {rate}}}")


def test_files_that_cannot_be_read_are_input_errors(tmp_path):
    (tmp_path / "latin").write_bytes(b"method: \xe9")
    for name, why in (("none.yaml", "no such recipe"), ("latin", "cannot read"), (".", "cannot read")):
        with pytest.raises(InputError, match=why):
            read_recipe(tmp_path / name)


def test_changes_are_checked_like_the_recipe():
    recipe = parse_recipe(WHOLE, "x")
    assert change_recipe(recipe, {"seed": 9}).seed == 9
    assert change_recipe(recipe, {}) == recipe
    with pytest.raises(UsageError, match=r"command line: seed: .*\nfolds\.hold_out: "):
        change_recipe(recipe, {"seed": -1, "folds": {"count": 4, "hold_out": -1}})


def config_of(**parts):
    method = SimpleNamespace(presets={"tiny": {"width": 4, "depth": 2}})
    plugin = SimpleNamespace(name="m", method=method)
    return resolve_config(plugin, Recipe(method="m", **parts))  # type: ignore[arg-type]


def test_the_recipe_changes_the_preset_and_gives_the_seed():
    assert config_of(preset="tiny", model={"width": 8}, seed=5) == {"width": 8, "depth": 2, "seed": 5}


def test_presets_and_model_values_that_do_not_exist_are_refused_by_name():
    with pytest.raises(UsageError, match="has no preset 'huge'") as caught:
        config_of(preset="huge")
    assert "tiny" in str(caught.value)
    with pytest.raises(UsageError, match="nothing called high, wide"):
        config_of(preset="tiny", model={"wide": 1, "high": 2, "width": 3})
