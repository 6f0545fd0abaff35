"""Lists the packages of this environment whose release is not the one that constraints.txt pins.

    python .ci/package_differences.py [--none_allowed]

With --none_allowed it fails if there are any: then what was installed is not what constraints.txt promises.
"""

import importlib.metadata
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

sys.stdout.reconfigure(errors="backslashreplace")  # on any output encoding

_OWN_TOOLS = {"pip", "uv", "hbt-jax"}

pinned = {}
for line in (Path(__file__).resolve().parents[1] / "constraints.txt").read_text(encoding="utf-8").splitlines():
    if line and not line.startswith("#"):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            pinned[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
installed = {canonicalize_name(each.metadata["Name"]): each.version for each in importlib.metadata.distributions()}
# "2.13.0+cpu" is release 2.13.0, built for CPUs
installed = {name: version.partition("+")[0] for name, version in installed.items() if name not in _OWN_TOOLS}
different = {name: version for name, version in sorted(installed.items()) if version != pinned.get(name)}
for name, version in different.items():
    print(f"{name:<28}{pinned.get(name, 'not pinned'):<20}{version}")
if different and "--none_allowed" in sys.argv:
    sys.exit("expected no package but those that constraints.txt pins: pin these there")
