"""An executed notebook as the body of a page: code folded, captions under figures, wide tables that scroll."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hybridkit.errors import InputError
from hybridkit.utils.characters import escaped

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

# No script and no widget's state; what has a style of its own is on paper, light in the dark theme too.
_TEMPLATE = """{%- extends "basic/index.html.j2" -%}
{%- block input -%}<details class="code"><summary>Code</summary>{{ super() }}</details>{%- endblock -%}
{%- block data_png -%}<figure>{{ super() }}
{%- if output.metadata.caption is defined %}<figcaption>{{ output.metadata.caption | e }}</figcaption>{% endif -%}
</figure>{%- endblock -%}
{%- block data_html -%}<div class="scroll{{ " paper" if "<style type=" in output.data["text/html"] or "gt_table" in
output.data["text/html"] }}">{{ super() }}</div>{%- endblock -%}
{%- block data_javascript -%}{%- endblock -%}
{%- block data_widget_view -%}{%- endblock -%}
{%- block footer -%}{%- endblock -%}
"""
_HEADING = re.compile(r'<h2 id="([^"]*)">(.*?)(?:<a class="anchor-link".*?</a>)?</h2>', re.DOTALL)


class Page(NamedTuple):
    """The body of a page, and its contents: the id and the text (HTML) of each heading."""

    body: str
    contents: list[tuple[str, str]]


def notebook_page(path: Path, captions: Mapping[str, str], prefix: str = "") -> Page:
    """Turn an executed notebook into the body of a page; texts of its outputs are escaped as nbconvert escapes them.

    Args:
        path: The notebook.
        captions: Captions by the name of a kept figure, such as "04_effects"; they are the pictures' alternative texts
            too.
        prefix: What every id begins with, where several notebooks are on one page.

    Raises InputError for a file that is not a notebook.
    """
    import nbformat
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="basic",
        raw_template=_TEMPLATE,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        embed_images=True,
    )
    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _describe(cell, captions)
        body, _ = exporter.from_notebook_node(notebook)
    except (ValueError, AttributeError, KeyError) as error:  # of an earlier version of the kit, without checksums
        raise InputError(
            f"{path}: this is not a notebook that can be read; remove it, and run its study again"
        ) from error
    body = re.sub(r'<a class="anchor-link".*?</a>', "", body)
    if prefix:
        body = re.sub(r'\b(id="|href="#)', rf"\g<1>{prefix}", body)
    return Page(f"{body}\n", _HEADING.findall(body))


def _describe(cell: Any, captions: Mapping[str, str]) -> None:
    """Give the pictures of a cell their captions, and take columns without a value out of its tables."""
    names = [name for name in re.findall(r'"(\d\d_\w+)"', cell.source) if name in captions]
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            caption = captions[names.pop(0)] if names else ""
            output.metadata["alt"] = caption or "A figure of the cell above"
            if caption:
                output.metadata["caption"] = caption
        if 'class="dataframe"' in data.get("text/html", ""):
            data["text/html"] = without_empty_columns(data["text/html"])


def without_empty_columns(html: str) -> str:
    """Return tables of pandas without the columns that are empty throughout, and single missing values as a dash.

    >>> table = "<table><thead><tr><th></th><th>a</th><th>b</th></tr></thead>"
    >>> table += "<tbody><tr><th>0</th><td>1</td><td>NaN</td></tr></tbody></table>"
    >>> "<th>b</th>" in without_empty_columns(table), "<th>a</th>" in without_empty_columns(table)
    (False, True)
    """
    from bs4 import BeautifulSoup

    page = BeautifulSoup(html, "html.parser")
    for table in page.find_all("table"):
        _clean(table)
    return str(page)


def _clean(table: "Tag | BeautifulSoup") -> None:
    heads = [row.find_all("th") for row in table.select("thead tr")]
    lines = [row.find_all("td") for row in table.select("tbody tr")]
    widths = {len(line) for line in lines}
    if len(widths) == 1 and not any(cell.has_attr("colspan") for head in heads for cell in head):
        (width,) = widths
        for column in reversed(range(width)):
            if all(line[column].get_text().strip() in _EMPTY for line in lines):
                for cell in [*(head[len(head) - width + column] for head in heads if len(head) >= width)]:
                    cell.decompose()
                for line in lines:
                    line[column].decompose()
    for cell in table.find_all("td"):
        if cell.get_text().strip() in ("NaN", "None", "NaT"):
            cell.string = "–"


_EMPTY = ("NaN", "None", "NaT", "")


def code_marked(text: str) -> str:
    """Return a sentence as HTML: escaped, with what stands between backticks as code.

    >>> code_marked("`cross` < `mono`")
    '<code>cross</code> &lt; <code>mono</code>'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text))
