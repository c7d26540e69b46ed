"""The Sphinx extension of this site: the order of its pages, and the pages that the repository keeps elsewhere.

The pages stay readable on a repository host: they have no list of contents, and link to files such as ``../CHANGES.md``.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from docs.generated import expand
from docs.references import resolve

_ROOT = Path(__file__).parents[1]

#: The order of the pages, by caption. A page that matches no pattern is added to the guides.
CAPTIONS = {
    "Tutorial": ["tutorial*"],
    "How-to": ["policy", "theming", "recipes/index", "services*", "forms", "collection", "mail", "rights",
               "web", "i18n", "testing", "audit", "deployment", "growth", "clickhouse"],
    "Reference": ["api", "template-verbs", "javascript", "signals", "settings", "privacy-toml", "cli", "urls", "findings"],
    "Explanation": ["why*", "consent", "tracking", "reports", "reports-method", "results*", "ledger", "storage", "security",
                    "architecture*"],
    "Project": ["pictures", "changes", "upgrading*", "releasing*", "reporting-vulnerabilities", "contributing"],
}  # fmt: skip
_REST = "How-to"

#: A link whose text is the name of a page's file, as a repository host shows it. The site shows the title instead.
_FILE_NAME = re.compile(r"\[(?:docs/)?[\w-]+\.md\](?!\[)\(([\w./-]+\.md(?:#[\w-]+)?)\)")

#: The contents of a folder's index: every page beside it.
_PAGES_BESIDE = "```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"

#: The files of the repository's root that are pages of the site.
ROOT_FILES = {"CHANGES.md": "changes", "CONTRIBUTING.md": "contributing", "SECURITY.md": "reporting-vulnerabilities"}


def contents(names: set[str]) -> str:
    """Return the list of contents, as Markdown, for the site's pages."""
    left = {name for name in names - {"index"} if "/" not in name or name.endswith("/index")}
    blocks = []
    for caption, patterns in CAPTIONS.items():
        found = []
        for pattern in patterns:
            found += sorted(name for name in left if fnmatchcase(name, pattern) and name not in found)
        left -= set(found)
        blocks.append((caption, found))
    return "\n".join(
        f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
        + "\n".join(found + (sorted(left) if caption == _REST else []))
        + "\n```\n"
        for caption, found in blocks
    )


def root_file(name: str) -> str:
    """Return a page of the repository's root with its links as the site needs them."""
    return _relink((_ROOT / name).read_text(encoding="utf-8"), "").replace("](docs/", "](")


def _relink(text: str, to_top: str) -> str:
    """Return a page whose links to the repository's root lead to the site's pages."""
    for name, page in ROOT_FILES.items():
        text = re.sub(rf"\]\((\.\./)*{re.escape(name)}", f"]({to_top}{page}.md", text)
    return text


def prepare(app: Any, name: str, source: list[str]) -> None:
    """Complete the text of one page before it is parsed."""
    text = _relink(source[0], "../" * name.count("/"))
    for file, page in ROOT_FILES.items():
        if name == page:
            text = root_file(file)
    if name == "index":
        text = f"{text}\n{contents(set(app.env.found_docs))}"
    elif name.endswith("/index"):
        text = f"{text}\n{_PAGES_BESIDE}"
    source[0] = expand(_FILE_NAME.sub(r"[](\1)", text))


def setup(app: Any) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", prepare)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
