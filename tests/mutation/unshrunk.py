"""A pytest plugin for mutants: a property that fails is not searched for a smaller example, which can take minutes."""

import hypothesis
import pytest


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Called when tests/conftest.py has chosen its profile, before any test is read."""
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.reuse, hypothesis.Phase.generate]
    current = hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name())
    hypothesis.settings.register_profile("mutants", current, phases=phases, database=None)
    hypothesis.settings.load_profile("mutants")
