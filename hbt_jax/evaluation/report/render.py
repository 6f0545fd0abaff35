"""Fills the Jinja2 templates of the pages; what a template prints is escaped unless it is markup already."""

import functools

from markupsafe import Markup, escape

from hbt_jax import languages
from hbt_jax.evaluation.report import names
from hbt_jax.files import atomic_file, utf8


def render(template: str, **values) -> Markup:
    """A template of the folder `templates`, filled; a value that it names and is not given is an error."""
    return Markup(_environment().get_template(template).render(values))


def write_page(path: str, template: str, **values) -> None:
    """Writes a filled template to an HTML file."""
    page = render(template, **values)
    with atomic_file(path) as file:
        file.write(utf8(page))


@functools.cache
def _environment():
    import jinja2  # only a command that writes a page pays for it

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hbt_jax.evaluation.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"language": languages.language, "setting_names": names.SETTING_NAMES, "pools": names.POOLS}
    environment.filters |= {
        "count": "{:,}".format,
        "metric_name": names.metric_name,
        "number": names.number,
        "one_line": lambda text: Markup(" ".join(escape(text).split())),
        "percent": names.percent,
        "words": lambda name: name.replace("_", " "),
    }
    return environment
