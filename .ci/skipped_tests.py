"""Prints the ids of the tests that were skipped, a line each, from pytest's --junitxml file."""

import sys
import xml.etree.ElementTree as ElementTree

sys.stdout.reconfigure(errors="backslashreplace")  # on any output encoding

for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
    if case.find("skipped") is None:
        continue
    module, name = case.get("classname"), case.get("name")
    if module:
        print(f"{module.replace('.', '/')}.py::{name}")
    else:  # a module that was skipped as a whole
        print(f"{name.replace('.', '/')}.py")
