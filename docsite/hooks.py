"""What mkdocs calls while it builds the site; each function has the name of its event."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

from docsite import diagrams, mermaid, python_blocks

ROOT = Path(__file__).parents[1]
BRANCH = "main"

_DIAGRAM = '<pre class="mermaid">'
_TITLE = re.compile(r'<span class="filename">(?P<file>(?:examples|tests)/[\w./-]+)</span>')
_BASES = re.compile(r'(?P<label><p class="doc doc-class-bases">\s*Bases: )(?P<bases>.*?)(?P<end></p>)', re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the addresses of site and repository from pyproject.toml, and see that mermaid is there."""
    if not mermaid.is_fetched():
        raise PluginError("docs/assets/mermaid.min.js is not there: `make docs` fetches it.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config.site_url = project["urls"]["Documentation"]
    config.repo_url, config.repo_name = project["urls"]["Repository"], project["name"]
    config.edit_uri = f"edit/{BRANCH}/docs/"
    return config


def on_page_markdown(markdown: str, **_: object) -> str:
    """Draw diagrams and complete Python blocks."""
    return python_blocks.complete_blocks(diagrams.draw(markdown))


def on_page_content(html: str, *, config: MkDocsConfig, **_: object) -> str:
    """Link the title of a block to its whole file, and leave private base classes out of the reference."""
    html = _TITLE.sub(lambda title: _linked(title["file"], f"{config.repo_url}/blob/{BRANCH}"), html)
    return _BASES.sub(_public_bases, html)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """Load mermaid on a page that has a diagram, and on no other: it is 3.5 MB."""
    if _DIAGRAM not in output:
        return output
    depth = page.url.count("/")
    script = f'<script src="{"../" * depth or "./"}assets/{mermaid.SCRIPT.name}"></script>'
    head, before, rest = output.partition("<script src=")  # the theme's script, which looks whether mermaid is there
    if not before:
        raise PluginError(f"{page.url} loads no script of the theme {config.theme.name!r}.")
    return f"{head}{script}{before}{rest}"


def _linked(file: str, folder: str) -> str:
    return f'<span class="filename"><a href="{folder}/{file}" title="The whole file">{file}</a></span>'


def _public_bases(match: re.Match[str]) -> str:
    bases = re.split(r",\s*(?=<code>)", match["bases"])
    public = [base for base in bases if not re.search(r"[>.]_\w", re.sub(r'\s(?:title|href)="[^"]*"', "", base))]
    return f"{match['label']}{', '.join(public)}{match['end']}" if public else ""
