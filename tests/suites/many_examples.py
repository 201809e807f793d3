"""A pytest plugin: every property test gets HYPOTHESIS_MAX_EXAMPLES examples, whatever it says itself."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    count = int(os.environ["HYPOTHESIS_MAX_EXAMPLES"])
    for item in items:
        function = getattr(item, "function", None)
        test = getattr(function, "hypothesis", None)
        if test is not None:
            own = getattr(function, "_hypothesis_internal_use_settings", settings.default)
            function._hypothesis_internal_use_settings = settings(own, max_examples=count, deadline=None)
