"""What templates put into forms: the notice, the box that opts in, the question of age, the licence."""

from __future__ import annotations

from typing import Any

from flask import render_template
from markupsafe import Markup

from . import age, notices
from .collection import declared_point
from .current import Exchange, exchange
from .gates import nonce_attribute
from .licences import licence_of
from .policy import CollectionPoint

_EMPTY = Markup()


class FormVerbs:
    """The part of the ``privacy`` of templates that stands in forms. Nothing of it is ever ticked beforehand."""

    def notice(self, point: str) -> Markup:
        """The notice at a form: what is asked there and what for, and the way to the policy. Place it in the form.

        Where others read what is given, it has a box to say that one knows. A point that is not declared raises
        :class:`UndeclaredCollection` in tests and in debug mode; else it is logged, and nothing is shown.
        """
        found = declared_point(point)
        return _render("notice", found, words=notices.notice, public=notices.public_words) if found else _EMPTY

    def opt_in(self, point: str) -> Markup:
        """A box, not ticked, by which one signs up to a point such as ``"newsletter"`` at the form of another one."""
        found = declared_point(point)
        return _render("opt_in", found, words=notices.opt_in, label=notices.opt_in_label) if found else _EMPTY

    def age_question(self) -> Markup:
        """The question when somebody was born, which hints at no limit. Of the answer only a yes or a no is kept."""
        here = exchange()
        page = render_template("mixamo_privacy/age_question.html", t=here.language, names=age.FIELDS, **_style(here))
        return Markup(page)  # noqa: S704 — a rendered template

    def acceptance(self, point: str = "licence") -> Markup:
        """The form that accepts a licence, for a page of the site's own that shows its text."""
        here, found = exchange(), declared_point(point)
        licence = licence_of(found) if found is not None else None
        if found is None or licence is None:
            return _EMPTY
        fields = [(name, notices.described(here.site.policy, [name], here.language)[0]) for name in _typed(found)]
        version, onward = licence.version(here.site.policy), here.request.values.get("next")
        return _render("acceptance", found, version=version, next=onward, fields=fields, notice=self.notice(point))


def _typed(point: CollectionPoint) -> list[str]:
    """The fields of a licence's point for somebody to type; that it was accepted is said by the button."""
    return [name for name in (*point.required, *point.optional) if name != "acceptance"]


def _render(template: str, point: CollectionPoint, **values: Any) -> Markup:
    """A fragment of a form; what is callable is called with policy, point and language first."""
    here = exchange()
    policy, t = here.site.policy, here.language
    said = {name: value(policy, point, t) if callable(value) else value for name, value in values.items()}
    page = render_template(
        f"mixamo_privacy/{template}.html",
        t=t,
        policy=policy,
        point=point,
        purposes=[t.of(policy.purpose(purpose).title, policy.language) for purpose in point.purposes],
        described=lambda names: t.names(notices.described(policy, names, t)),
        **said,
        **_style(here),
    )
    return Markup(page)  # noqa: S704 — a rendered template


def _style(here: Exchange) -> dict[str, Any]:
    """The style sheet of what stands in a site's pages, once a page."""
    first, here.has_embed = not here.has_embed, True
    root, name = here.environ.get("SCRIPT_NAME", ""), here.site.assets.filename("parts.css")
    address = f"{root}{here.site.settings.url_prefix}/static/{name}"
    return {"stylesheet": address if first else "", "nonce": nonce_attribute(here)}
