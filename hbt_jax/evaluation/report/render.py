"""Fills the Jinja2 templates of the pages; what a template prints is escaped unless it is markup already."""

import functools

from markupsafe import Markup, escape

from hbt_jax import languages
from hbt_jax.evaluation.report import names
from hbt_jax.files import atomic_file, utf8

PACKAGE = "hbt_jax.evaluation.report"


def render(template: str, **values) -> Markup:
    """A template of the folder `templates`, filled; a value that it names and is not given is an error."""
    return Markup(_environment(PACKAGE).get_template(template).render(values))


def write_page(path: str, template: str, package: str = PACKAGE, **values) -> None:
    """Writes a filled template to an HTML file; `package` holds it, and may use the templates of this one."""
    page = _environment(package).get_template(template).render(values)
    with atomic_file(path) as file:
        file.write(utf8(page))


@functools.cache
def _environment(package: str):
    import jinja2  # only a command that writes a page pays for it

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in dict.fromkeys((package, PACKAGE))]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"language": languages.language, "under_resourced": languages.under_resourced_words}
    environment.globals |= {"setting_names": names.SETTING_NAMES, "pools": names.POOLS}
    environment.filters |= {
        "count": "{:,}".format,
        "metric_name": names.metric_name,
        "number": names.number,
        "one_line": lambda text: Markup(" ".join(escape(text).split())),
        "percent": names.percent,
        "words": lambda name: name.replace("_", " "),
    }
    return environment
