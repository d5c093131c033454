"""What the site is built with beside its pages: a hook of mkdocs (`hooks:` in mkdocs.yml)."""

import re

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Name files of the repository that are no pages, instead of linking to them."""
    return _OUTSIDE.sub(r"\1", markdown)
