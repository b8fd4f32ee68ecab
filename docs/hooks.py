"""What the documentation is made from besides its pages: commands, keys of a study, executed notebooks, figures."""

import json
import os
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HOME = Path(__file__).parents[1]
RUN = HOME / "runs" / "quick" / "notebooks"  # executed, where the quick study has run


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages and pictures that are made."""
    pages = {"reference/cli.md": commands(), "reference/study.md": keys()}
    for source in sorted((HOME / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        executed = RUN / source.name
        text, pictures = notebook(executed if executed.is_file() else source)
        pages[f"tutorials/{source.name[:2]}.md"] = text
        for name, content in pictures.items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for path in sorted((HOME / "figures").rglob("*.png")):
        files.append(File.generated(config, path.relative_to(HOME).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to what lies beside docs/ in the repository lead somewhere on the site."""
    markdown = markdown.replace("](../figures/", "](figures/")
    # other files of the repository are named, not linked: the site is read without it
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+((?:data/|CONTRIBUTING)[^)]*)\)", r"`\2`", markdown)


def commands() -> str:
    """The help of every command."""
    os.environ["COLUMNS"] = "100"  # argparse asks it for the width
    from hybridkit.cli.commands import parser

    def shown(name: str, one: Any, level: int) -> list[str]:
        found = [f"{'#' * level} {name}", f"```text\n{one.format_help().strip()}\n```"]
        for action in one._actions:
            for inner, sub in (action.choices or {}).items() if hasattr(action, "add_parser") else ():
                found += shown(f"{name} {inner}", sub, 2)
        return found

    return "\n\n".join(shown("hybridkit", parser(), 1)) + "\n"


def keys() -> str:
    """The keys of a study, from the schema that editors read."""
    from hybridkit.study import settings

    schema = json.loads((HOME / "studies" / "schema.json").read_text(encoding="utf-8"))
    parts = ["# A study", "One YAML file; unknown keys are errors.", *_table(schema, settings.Study)]
    for name, one in schema["$defs"].items():
        parts += [f"## {name}", str(one.get("description", "")), *_table(one, getattr(settings, name))]
    return "\n\n".join(parts) + "\n"


def _table(one: dict[str, Any], kind: Any) -> list[str]:
    needed = {field.name for field in fields(kind) if field.default is field.default_factory is MISSING}
    lines = ["| key | type | default | what |", "| --- | --- | --- | --- |"]
    for name, about in one.get("properties", {}).items():
        value = about.get("default")
        default = "**needed**" if name in needed else "" if value is None else f"`{json.dumps(value)}`"
        what = " ".join(str(about.get("description", "")).split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_kind(about)} | {default} | {what} |")
    return ["\n".join(lines)]


def _kind(about: dict[str, Any]) -> str:
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in about:
        return " or ".join(f"`{one}`" for one in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if "anyOf" in about:
        return " or ".join(dict.fromkeys(_kind(one) for one in about["anyOf"] if one.get("type") != "null"))
    if about.get("type") == "array":
        return f"{_kind(about['items'])}, a list" if "items" in about else "a list"
    return {"integer": "whole number", "string": "text", "boolean": "true or false", "object": "mapping"}.get(
        about.get("type", ""), str(about.get("type", ""))
    )


def notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by name."""
    from nbconvert import MarkdownExporter

    text, resources = MarkdownExporter().from_filename(str(path))
    own = {name: f"{path.stem[:2]}-{name}" for name in resources["outputs"]}
    for name, mine in own.items():
        text = text.replace(f"]({name})", f"]({mine})")
    return text, {own[name]: content for name, content in resources["outputs"].items()}
