"""Templates: what they print is escaped, what they name must be given, and all of them are shipped."""

import configparser
import fnmatch
import subprocess
import sys
from pathlib import Path

import jinja2
import pytest

from hbt_jax.evaluation.report import render

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "hbt_jax" / "evaluation" / "report"


def test_values_are_escaped_and_must_be_given():
    values = {"items": {"a_b": '<i>"&'}, "counts": {"queries": {"te": 1234}, "candidates": {}}}
    page = render.render("cards/settings.html", **values)
    assert "a b</dt>" in page and "&lt;i&gt;&#34;&amp;</code>" in page
    assert '<span class="under-resourced" title="Telugu">te</span>&nbsp;1,234' in page
    with pytest.raises(jinja2.UndefinedError, match="counts"):
        render.render("cards/settings.html", items={})


def test_every_template_style_and_script_is_shipped():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    patterns = settings["options.package_data"]["hbt_jax.evaluation.report"].split()
    files = [path for path in (FOLDER / "templates").rglob("*") if path.is_file()]
    assert len(files) > 15
    for file in files:
        depth = len(file.relative_to(FOLDER).parts)
        same_depth = [one for one in patterns if len(one.split("/")) == depth]
        assert any(fnmatch.fnmatch(str(file.relative_to(FOLDER)), one) for one in same_depth), file


def test_the_template_library_is_imported_only_to_write_a_page():
    code = (
        "import sys; import hbt_jax.evaluation.report.page, hbt_jax.evaluation.report.compare_page;"
        " assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
