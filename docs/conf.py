"""The docs site, as Sphinx builds it from the pages of this folder: ``make docs``."""

from __future__ import annotations

import sys
from configparser import ConfigParser
from pathlib import Path

_ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(_ROOT))
_SETUP = ConfigParser()
_SETUP.read(_ROOT / "setup.cfg", encoding="utf-8")

project = _SETUP["metadata"]["name"]
version = release = _SETUP["metadata"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "docs.site"]
exclude_patterns = ["_build"]
nitpicky = True
# A page that is still to be written matches its pattern later.
suppress_warnings = ["toc.empty_glob"]

# The anchors of headings, as a repository host makes them.
myst_heading_anchors = 6
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    # The colours of the extension's own pages; see static/pages.css.
    "light_css_variables": {"color-brand-primary": "#1f4f8f", "color-brand-content": "#1f4f8f"},
    "dark_css_variables": {"color-brand-primary": "#a9cbf7", "color-brand-content": "#a9cbf7"},
}
