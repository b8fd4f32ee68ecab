"""HTML by jinja: one environment, in which every text is made safe to show and escaped."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridkit.utils.characters import safe

if TYPE_CHECKING:
    from jinja2 import Environment


def render(name: str, **values: Any) -> str:
    """Fill a template of this room, named by its path below it, e.g. "pages/pair.html.j2"."""
    return _environment().get_template(name).render(values)


def call(name: str, macro: str, *arguments: Any) -> str:
    """The HTML that a macro of a template makes of its arguments."""
    return str(getattr(_environment().get_template(name).module, macro)(*arguments))


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from hybridkit.data.languages import direction_of
    from hybridkit.plots.palette import colour
    from hybridkit.report.script_of_text import direction_of_text, tag_of_text
    from hybridkit.report.views import candidates_name, pair_name, spoken
    from hybridkit.sampling.labels import label
    from hybridkit.utils.characters import shown

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # what is not Markup is escaped: what comes from data sets and studies never is
        finalize=lambda value: safe(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        one.__name__: one
        for one in (
            candidates_name,
            colour,
            direction_of,
            direction_of_text,
            label,
            pair_name,
            shown,
            spoken,
            tag_of_text,
        )
    }
    made.filters["words"] = lambda name: name.replace("_", " ")
    return made
