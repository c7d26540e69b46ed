"""The writer of the policy page: it turns a declaration into sections of sentences and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..i18n.language import Language
from . import data_sections, sharing_sections
from .document import Document, Section
from .draft import Draft, StatedFacts
from .model import Policy

#: The sections in the order of the page. Each function returns None if its section has no content.
SECTIONS: tuple[Callable[[Draft], Section | None], ...] = (
    data_sections.summary,
    data_sections.scope,
    data_sections.purposes,
    data_sections.collection,
    data_sections.cookies,
    data_sections.log,
    data_sections.aggregates,
    sharing_sections.recipients,
    sharing_sections.services,
    sharing_sections.disclosure,
    sharing_sections.links,
    sharing_sections.children,
    sharing_sections.opting_out,
    sharing_sections.rights,
    sharing_sections.security,
    sharing_sections.changes,
)


def derive(policy: Policy, t: Language, **facts: Any) -> Document:
    """Return the policy page in a language.

    ``facts`` are those of :class:`StatedFacts`. ``provider`` is true if the site looks up internet providers. ``enforced``
    is true if a Content-Security-Policy blocks whatever the visitor has not granted. The names of the extension's own
    cookies begin with ``cookies_begin``. ``min_cell``, ``confirm_opt_ins`` and ``public_reports`` are the settings of these
    names.
    """
    known = StatedFacts(**facts)
    written = (write(Draft(policy, t, known)) for write in SECTIONS)
    sections = tuple(section for section in written if section is not None)
    return Document(t.code, t("Privacy policy").text, policy.version, sections)
