"""Unknown slices and a missing compiler end with one clear line."""

import importlib.util
import re

import pytest

from hbt_jax.compile_check import chips
from hbt_jax.errors import InputError


@pytest.mark.parametrize("name", ["v5x:4x4", "v5e", "v5e-17", "4x4", "v5e:4", ""])
def test_an_unknown_topology_lists_the_known_ones(name):
    with pytest.raises(InputError, match=rf"^--topology={name}: unknown; known topologies are v4: v4:2x2x1, ") as error:
        chips.open_slice(name)
    assert "v5e:16x16" in str(error.value)
    assert "known slices are v4-8 (v4:2x2x1), v4-32 (v4:2x2x4), v5e-16 (v5e:4x4)" in str(error.value)


def test_without_libtpu_the_message_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = "libtpu, the compiler for TPUs, is not installed: pip install -c constraints.txt -e '.[tpu]'"
    with pytest.raises(InputError, match=re.escape(message)):
        chips.open_slice("v5e:2x2")


def test_every_slice_is_a_usual_topology():
    for topology in chips.SLICES.values():
        kind, _, shape = topology.partition(":")
        assert shape in chips.CHIPS[kind].shapes


def test_what_libraries_write_to_standard_error_is_dropped_and_errors_are_not(capfd):
    import os

    with pytest.raises(ValueError, match="kept"), chips.quiet():
        os.write(2, b"Failed to find host bounds\n")
        raise ValueError("kept")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
