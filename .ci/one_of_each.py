"""A plugin of pytest that runs one variant of each parametrised test: every line of code, in less time.

PYTHONPATH=.ci python -m pytest -p one_of_each
"""

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Keeps the first variant of each test that -m and -k leave."""
    first = {}
    for item in items:
        first.setdefault(item.nodeid.partition("[")[0], item)
    kept = set(first.values())
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = first.values()
