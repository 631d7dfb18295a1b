"""The conformance suite, which tells whether a method keeps the contract.

``mriuq plugins check NAME`` runs it; a plugin's own tests can too::

    import pytest
    from mriuq_cli.testing import checks, run_checks

    @pytest.mark.parametrize("check", checks, ids=lambda check: check.name)
    def test_contract(check):
        (result,) = run_checks("my-method", only=[check])
        assert result.status != "fail", result.detail

Importing it imports neither torch nor numpy.
"""

from mriuq_cli.testing.check import Check, Result
from mriuq_cli.testing.suite import checks, run_checks

__all__ = ["Check", "Result", "checks", "run_checks"]
