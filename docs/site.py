"""What the site is built with beside its pages: a hook of mkdocs (`hooks:` in mkdocs.yml)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import generated

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?![\w/-]+\.md)[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference pages, which are made from the program."""
    from mkdocs.structure.files import File

    for path, text in generated.pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Name files of the repository that are no pages, instead of linking to them."""
    return _OUTSIDE.sub(r"\1", markdown)
