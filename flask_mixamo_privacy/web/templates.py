"""The ``privacy`` object of templates: banner, tags, links, and what stands in a site's forms."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import current_app, render_template
from markupsafe import Markup, escape

from ..collection import notices
from ..consent import proof
from ..consent.decision import Consent
from ..i18n.language import Language, direction
from ..policy.parts import CollectionPoint
from .assets import folder
from .context import PrivacyContext, current_url, privacy_context
from .forms import declared_point
from .licences import licence_of
from .runtime import Runtime
from .template_tags import GatedTags, nonce_attribute

_EMPTY = Markup()
_BANNER = "mixamo_privacy/banner.html"
_UNASKED = (
    *("mixamo_privacy.settings", "mixamo_privacy.decide"),  # these pages ask already
    *("mixamo_privacy.unsubscribe", "mixamo_privacy.stop"),  # and the address of these is a key, which goes into no form
)
_CURRENT_PATH = "\N{OBJECT REPLACEMENT CHARACTER}"  # stands for the page's own path in the banner's ready text
_NONCE = "\N{INTERLINEAR ANNOTATION ANCHOR}"  # stands for the nonce of its tags


class TemplateHelpers:
    """The ``privacy`` of templates, for one app."""

    def __init__(self, site: Runtime, prefix: str) -> None:
        self._site = site
        self._prefix = prefix
        self._cacheable = site.settings.cacheable
        self._own_template: bool | None = None  # whether the banner's template is the extension's
        self._ready = lru_cache(maxsize=64)(self._render)
        self._gates = GatedTags(site.policy)
        self._link = lru_cache(maxsize=64)(self._make_link)
        self._tracker = lru_cache(maxsize=4096)(self._make_tracker)  # as many as there are marks
        self._for_everybody = lru_cache(maxsize=64)(self._make_for_everybody)

    def banner(self, *, assets: bool = True) -> Markup:
        """The banner for a visitor who still has to be asked, the tracker for one who allows statistics, else nothing.

        Place it right after ``<body>``. ``assets=False`` leaves out the style sheet and the banner's script, for a site
        that bundles them itself. Under ``PRIVACY_CACHEABLE`` it is the same for everybody.
        """
        ctx = privacy_context(self._site)
        if self._cacheable and not ctx.is_own_page:
            ctx.is_shared_page = True
            return self._for_everybody(ctx.environ.get("SCRIPT_NAME", ""), ctx.language)
        consent = ctx.use_consent()
        tracker = self._tracking(ctx, consent) if consent.granted and not ctx.is_own_page else _EMPTY
        if not consent.must_ask or ctx.request.endpoint in _UNASKED:
            return tracker
        asking = self._asking(ctx, assets, current_url(ctx))
        return asking + tracker if tracker else asking

    def visitor_fragment(self) -> Markup:
        """What :meth:`banner` would have said on the page for which this request was made."""
        ctx = privacy_context(self._site)
        consent = ctx.use_consent()
        asking = self._asking(ctx, True, "") if consent.must_ask else _EMPTY
        return asking + self._tracking(ctx, consent)

    def _tracking(self, ctx: PrivacyContext, consent: Consent) -> Markup:
        if "statistics" not in consent.granted:
            return _EMPTY
        return self._tracker(ctx.environ.get("SCRIPT_NAME", ""), ctx.visitor_tag, nonce_attribute(ctx))

    def _asking(self, ctx: PrivacyContext, assets: bool, back_to: str) -> Markup:
        ctx.is_private = True
        parts = self._banner(ctx.environ.get("SCRIPT_NAME", ""), assets, ctx.language)
        text = str(escape(back_to)).join(parts).replace(_NONCE, nonce_attribute(ctx))
        return Markup(text)  # noqa: S704 — the parts are a rendered template

    def script(self, url: str, *, purpose: str, **attributes: str | bool) -> Markup:
        """A script's tag where the purpose, and the service that declares the host, is granted; else nothing at all.

        Raises :class:`UndeclaredPurpose`, :class:`UndeclaredHost` for another host that no service declares, and
        :class:`AddressError` for what is no address of a web page, such as ``javascript:``.
        """
        return self._gates.script(url, purpose, attributes)

    def style(self, url: str, *, purpose: str, **attributes: str | bool) -> Markup:
        """A style sheet's tag under the same conditions as :meth:`script`."""
        return self._gates.style(url, purpose, attributes)

    def embed(self, url: str, *, purpose: str, title: str, **attributes: str | bool) -> Markup:
        """A frame where the service that declares its host is granted; else why it is not loaded, and a button that
        allows that service alone. Errors as in :meth:`script`."""
        ctx = privacy_context(self._site)
        root, first = ctx.environ.get("SCRIPT_NAME", ""), not ctx.has_embed
        ctx.has_embed = True
        place = {"action": f"{root}{self._prefix}/consent", "here": current_url(ctx), "nonce": nonce_attribute(ctx)}
        return self._gates.embed(
            url, purpose, title, attributes, place | {"stylesheet": self.asset("widgets.css") if first else ""}
        )

    def google_tag(self, tag_id: str, *, purpose: str = "statistics", advertising: str | None = None) -> Markup:
        """Google's tag for this id where the purpose is granted, else nothing at all.

        Consent Mode's four signals are said before it: ``analytics_storage`` is granted, the three of advertising are
        where the purpose named ``advertising`` is. Errors as in :meth:`script`.
        """
        return self._gates.google_tag(tag_id, purpose, advertising, self.asset("google-consent-mode.js"))

    def settings_link(self, text: str | None = None) -> Markup:
        """The way back to one's decision, for every page."""
        return self._to("/consent", "privacy-settings-link", "Privacy settings", text)

    def policy_link(self, text: str | None = None) -> Markup:
        """The way to the policy."""
        return self._to("/", "privacy-policy-link", "Privacy policy", text)

    def asset(self, name: str) -> str:
        """The address of a style sheet or script of ours, with its content's hash in it."""
        return self._asset(privacy_context(self._site).environ.get("SCRIPT_NAME", ""), name)

    def notice(self, point: str) -> Markup:
        """The notice at a form: what is asked there and what for, and the way to the policy. Place it in the form.

        Where others read what is given, it has a box to say that one knows. A point that is not declared raises
        :class:`UndeclaredCollection` in tests and in debug mode; else it is logged, and nothing is shown.
        """
        found = declared_point(point)
        return _in_form("notice", found, words=notices.notice, public=notices.public_sentences) if found else _EMPTY

    def opt_in(self, point: str) -> Markup:
        """A box, not ticked, by which one signs up to a point such as ``"newsletter"`` at the form of another one."""
        found = declared_point(point)
        return _in_form("opt_in", found, words=notices.opt_in, label=notices.opt_in_label) if found else _EMPTY

    def age_question(self) -> Markup:
        """The question when somebody was born, which hints at no limit. Of the answer only a yes or a no is kept."""
        ctx = privacy_context()
        page = render_template(
            "mixamo_privacy/age_question.html", t=ctx.language, names=notices.BIRTH_DATE_FIELDS, **_style(ctx)
        )
        return Markup(page)  # noqa: S704 — a rendered template

    def acceptance(self, point: str = "licence") -> Markup:
        """The form that accepts a licence, for a page of the site's own that shows its text."""
        ctx, found = privacy_context(), declared_point(point)
        licence = licence_of(found) if found is not None else None
        if found is None or licence is None:
            return _EMPTY
        fields = [(name, notices.field_descriptions(ctx.runtime.policy, [name], ctx.language)[0]) for name in _typed(found)]
        version, onward = licence.version(ctx.runtime.policy), ctx.request.values.get("next")
        return _in_form("acceptance", found, version=version, next=onward, fields=fields, notice=self.notice(point))

    def _to(self, path: str, css_class: str, msgid: str, text: str | None) -> Markup:
        ctx = privacy_context(self._site)
        root = ctx.environ.get("SCRIPT_NAME", "")
        if text is not None:
            return self._link(root, path, css_class, text, None)
        return self._link(root, path, css_class, msgid, ctx.language)

    def _make_link(self, root: str, path: str, css_class: str, text: str, t: Language | None) -> Markup:
        address, lang = f"{root}{self._prefix}{path}", Markup()
        if t is not None:
            said = t(text)
            text, lang = said.text, Markup(' lang="{}" dir="{}"').format(said.lang, direction(said.lang))
        return Markup('<a class="{}" href="{}" rel="nofollow"{}>{}</a>').format(css_class, address, lang, text)

    def _make_tracker(self, root: str, mark: str, nonce: Markup) -> Markup:
        return Markup('<script src="{}" defer{}></script>').format(self._site.tracker_address(root, mark), nonce)

    def _make_for_everybody(self, root: str, t: Language) -> Markup:
        link = self._make_link(root, "/consent", "privacy-settings-link", "Privacy settings", t)
        tags = Markup('<script src="{}{}/page.js" defer></script><noscript>{}</noscript>')
        return tags.format(root, self._prefix, link)

    def _asset(self, root: str, name: str) -> str:
        return f"{root}{self._prefix}/static/{self._site.assets.filename(name)}"

    def _banner(self, root: str, assets: bool, t: Language) -> tuple[str, ...]:
        """The banner's text around the page's path: made once, unless the site's own template may say more."""
        if self._own_template is None:
            found = current_app.jinja_env.get_template(_BANNER).filename or ""
            self._own_template = found.startswith(str(folder("templates")))
        return (self._ready if self._own_template else self._render)(root, assets, t)

    def _render(self, root: str, assets: bool, t: Language) -> tuple[str, ...]:
        policy = self._site.policy
        rendered = render_template(
            _BANNER,
            action=f"{root}{self._prefix}/consent",
            here=_CURRENT_PATH,
            nonce=_NONCE,
            t=t,
            shown=proof.banner(policy, t).form_token,
            text=t.of(policy.banner.text, policy.language),
            stylesheet=self._asset(root, "banner.css") if assets else None,
            javascript=self._asset(root, "banner.js") if assets else None,
        )
        return tuple(rendered.split(_CURRENT_PATH))


def _typed(point: CollectionPoint) -> list[str]:
    """The fields of a licence's point for somebody to type; that it was accepted is said by the button."""
    return [name for name in (*point.required, *point.optional) if name != "acceptance"]


def _in_form(template: str, point: CollectionPoint, **values: Any) -> Markup:
    """A fragment of a form; what is callable is called with policy, point and language first."""
    ctx = privacy_context()
    policy, t = ctx.runtime.policy, ctx.language
    said = {name: value(policy, point, t) if callable(value) else value for name, value in values.items()}
    page = render_template(
        f"mixamo_privacy/{template}.html",
        t=t,
        policy=policy,
        point=point,
        purposes=[t.of(policy.purpose(purpose).title, policy.language) for purpose in point.purposes],
        described=lambda names: t.names(notices.field_descriptions(policy, names, t)),
        **said,
        **_style(ctx),
    )
    return Markup(page)  # noqa: S704 — a rendered template


def _style(ctx: PrivacyContext) -> dict[str, Any]:
    """The style sheet of what stands in a site's pages, once a page."""
    first, ctx.has_embed = not ctx.has_embed, True
    root, name = ctx.environ.get("SCRIPT_NAME", ""), ctx.runtime.assets.filename("widgets.css")
    address = f"{root}{ctx.runtime.settings.url_prefix}/static/{name}"
    return {"stylesheet": address if first else "", "nonce": nonce_attribute(ctx)}
