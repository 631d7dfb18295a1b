"""Every hook of the contract has a page with its exact signature, an example that would register, and a test."""

import ast
import re
from pathlib import Path

import pytest

from mriuq_cli.hooks import spec
from mriuq_cli.hooks.manager import HOOKS

ROOT = Path(__file__).parents[2]
TREE = ast.parse(Path(spec.__file__).read_text())
SPECS = {node.name: node for node in TREE.body if isinstance(node, ast.FunctionDef) and node.name in HOOKS}
PAGE = (ROOT / "docs" / "hooks.md").read_text()
SECTIONS = dict(re.findall(r"^## (mriuq_\w+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S))
PARTS = ("**Called**", "**Arguments**", "**Returns**", "**Example**", "**Failure**")


def blocks(hook):
    return re.findall(r"```python\n(.*?)```", SECTIONS[hook], flags=re.S)


def test_the_page_has_exactly_the_hooks_of_the_contract_in_its_order():
    assert list(SECTIONS) == list(SPECS)


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_of_a_hook_says_when_with_what_and_what_for(hook):
    assert [part for part in PARTS if part not in SECTIONS[hook]] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_of_a_hook_names_every_argument(hook):
    text = SECTIONS[hook].partition("**Arguments**")[2].partition("**Returns**")[0]
    assert [name.arg for name in SPECS[hook].args.args if f"`{name.arg}`" not in text] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_of_a_hook_has_its_exact_signature(hook):
    node = SPECS[hook]
    assert blocks(hook)[0].strip() == f"def {hook}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


@pytest.mark.parametrize("hook", HOOKS)
def test_the_page_of_a_hook_has_an_example_with_names_of_the_contract(hook):
    (example,) = [block for block in blocks(hook)[1:] if f"def {hook}(" in block]
    (function,) = [node for node in ast.parse(example).body if isinstance(node, ast.FunctionDef)]
    assert function.name == hook
    assert ast.unparse(function.decorator_list[0]) == "hookimpl"
    assert [name.arg for name in function.args.args] == [name.arg for name in SPECS[hook].args.args]


@pytest.mark.parametrize("hook", HOOKS)
def test_some_test_implements_the_hook(hook):
    sources = [path for folder in ("tests", "plugins") for path in (ROOT / folder).rglob("*.py")]
    sources = [path for path in sources if "test" in str(path.relative_to(ROOT)) and path != Path(__file__)]
    assert [path for path in sources if f"def {hook}(" in path.read_text()]
