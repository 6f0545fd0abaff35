"""Prints the ids of the tests that were skipped, a line each, from pytest's --junitxml file."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.stdout.reconfigure(errors="backslashreplace")  # on any output encoding


def place(dotted: str) -> str:
    """FILE, or FILE::CLASS, of a dotted name.  tests.data.test_plan.TestKinds -> tests/data/test_plan.py::TestKinds"""
    parts = dotted.split(".")
    end = max(n for n in range(1, len(parts) + 1) if Path(*parts[:n]).with_suffix(".py").is_file())
    return "::".join([f"{'/'.join(parts[:end])}.py", *parts[end:]])


for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
    if case.find("skipped") is None:
        continue
    module, name = case.get("classname"), case.get("name")
    print(f"{place(module)}::{name}" if module else place(name))  # without a module, all of it was skipped
