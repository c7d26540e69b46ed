"""The ``privacy`` object of templates: the banner, gated tags, links, and fragments of forms."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cached_property, lru_cache

from flask import current_app
from jinja2 import Environment
from markupsafe import Markup, escape

from ..collection import notices
from ..consent import proof
from ..i18n.language import Language, LocalizedText
from ..policy.parts import CollectionPoint
from ..policy.ready_made import banner_text
from .banner_style import BannerStyle
from .context import PrivacyContext, current_url, privacy_context, url_of
from .forms import declared_point
from .licences import licence_of
from .problems import FormField, FormProblem, current_problem, form_field
from .rendering import FOLDER, form_fragment, is_built_in, own_environment, render, widget_style
from .runtime import Runtime
from .staff_pages import staff_pages
from .template_tags import GatedTags, add_filters

_EMPTY = Markup()
_BANNER = "banner.html"
_WITHOUT_BANNER = (
    *("mixamo_privacy.settings", "mixamo_privacy.decide"),  # these pages ask for a decision themselves
    *("mixamo_privacy.unsubscribe", "mixamo_privacy.stop"),  # their address has a secret token; no form may contain it
)
_SETTINGS, _POLICY = 0, 1
_LINKS = (("/consent", "mixamo-settings-link"), ("/", "mixamo-policy-link"))  # the path and the class of each link
_CURRENT_PATH = "\N{OBJECT REPLACEMENT CHARACTER}"  # placeholder for the page's path in the rendered banner
_TAG = "\N{INTERLINEAR ANNOTATION SEPARATOR}"  # placeholder for the visitor tag in the tracker's address
_LONGEST_KNOWN = 200  # characters of a page's path and query whose banner is remembered
_NONCE = "\N{INTERLINEAR ANNOTATION ANCHOR}"  # placeholder for the nonce of its tags


class TemplateHelpers:
    """The ``privacy`` object in the templates of one app."""

    def __init__(self, runtime: Runtime, prefix: str) -> None:
        self._runtime = runtime
        self._prefix = prefix
        self._hyphenates = False  # whether the links to the settings and the policy have soft hyphens
        self._cacheable = runtime.settings.cacheable
        self.banner_style = BannerStyle(runtime.assets, runtime.settings.inline_style)
        self._is_built_in: bool | None = None  # whether the banner's template is the extension's own; None is unknown
        self._cached_banner_parts = lru_cache(maxsize=64)(self._banner_parts)
        self._known_banner = lru_cache(maxsize=256)(self._make_banner)
        self._gated_tags = GatedTags(runtime.policy)
        self._link = lru_cache(maxsize=64)(self._make_link)
        self._own_links = lru_cache(maxsize=64)(self._make_own_links)
        self._tracker = lru_cache(maxsize=4096)(self._make_tracker)  # as many visitor tags as two characters can be
        self._tracker_parts = lru_cache(maxsize=64)(self._make_tracker_parts)
        self._fragment_loader = lru_cache(maxsize=64)(self._make_fragment_loader)

    @cached_property
    def templates(self) -> Environment:
        """The environment of the extension's own templates."""
        environment = own_environment(current_app._get_current_object())  # type: ignore[attr-defined]
        add_filters(environment)
        return environment

    @cached_property
    def in_own_templates(self) -> TemplateHelpers:
        """The object in the extension's templates. A site's own have links without soft hyphens, which its tests compare."""
        own = copy(self)
        own._hyphenates, own.templates = True, self.templates
        return own

    def banner(self, *, assets: bool = True) -> Markup:
        """Return the banner for a visitor without a decision, and the tracker for a visitor who granted statistics.

        Place it right after ``<body>``. ``assets=False`` omits the style sheet and the script of the banner, for a site
        that bundles them itself. Under ``PRIVACY_CACHEABLE`` all visitors get the same tags.
        """
        ctx = privacy_context(self._runtime)
        if self._cacheable and not ctx.is_own_page:
            ctx.is_shared_page = True
            return self._fragment_loader(ctx.mount, ctx.language).replace(_NONCE, ctx.nonce_attribute)
        ctx.depends_on_consent = True
        consent = ctx.consent
        tracker = self._tracking(ctx) if "statistics" in consent.granted and not ctx.is_own_page else _EMPTY
        if not consent.must_ask or ctx.request.endpoint in _WITHOUT_BANNER:
            return tracker
        banner = self._banner(ctx, assets)
        return banner + tracker if tracker else banner

    def visitor_fragment(self) -> Markup:
        """Return this visitor's banner and tracker, for a page that is the same for all visitors."""
        ctx = privacy_context(self._runtime)
        consent = ctx.use_consent()
        tracker = self._tracking(ctx) if "statistics" in consent.granted else _EMPTY
        if not consent.must_ask:
            return tracker
        ctx.is_private = True
        parts = self._cached_banner_parts if self._uses_built_in_template() else self._banner_parts
        banner = _filled(parts(ctx.mount, True, False, ctx.language), "", ctx.nonce_attribute)  # its script knows the page
        return banner + tracker

    def _tracking(self, ctx: PrivacyContext) -> Markup:
        return self._tracker(ctx.mount, ctx.visitor_tag, ctx.nonce_attribute, ctx.is_prefetch)

    def _banner(self, ctx: PrivacyContext, assets: bool) -> Markup:
        """Return the banner, whose decision leads back to this page. A site's own template is rendered each time."""
        ctx.is_private, ctx.has_banner = True, assets
        inline = assets and self.banner_style.is_inline(ctx.request.endpoint)
        root, t, nonce, environ = ctx.cookies.mount, ctx.language, ctx.nonce_attribute, ctx.environ
        path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        if not self._uses_built_in_template():
            return _filled(self._banner_parts(root, assets, inline, t), url_of(root, path, query), nonce)
        if nonce or len(path) + len(query) > _LONGEST_KNOWN:
            return _filled(self._cached_banner_parts(root, assets, inline, t), url_of(root, path, query), nonce)
        return self._known_banner(root, assets, inline, t, path, query)

    def _make_banner(self, root: str, assets: bool, inline: bool, t: Language, path: str, query: str) -> Markup:
        return _filled(self._cached_banner_parts(root, assets, inline, t), url_of(root, path, query), _EMPTY)

    def script(self, url: str, *, purpose: str, service: str | None = None, **attributes: str | bool) -> Markup:
        """Return a script's tag if its purpose, and the service that declares its host, are granted. Otherwise empty.

        If several services of the purpose declare the host, all must be granted, unless ``service`` is the id of one.
        Raises :class:`UndeclaredPurpose`, or :class:`UndeclaredHost` for a third-party host that no service declares.
        Raises :class:`AddressError` for an address that is not a web address, such as ``javascript:``.
        """
        return self._gated_tags.script(url, purpose, service, attributes)

    def style(self, url: str, *, purpose: str, service: str | None = None, **attributes: str | bool) -> Markup:
        """Return a style sheet's tag under the conditions of :meth:`script`."""
        return self._gated_tags.style(url, purpose, service, attributes)

    def embed(
        self,
        url: str,
        *,
        purpose: str | None = None,
        service: str | None = None,
        title: str | None = None,
        **attributes: str | bool,
    ) -> Markup:
        """Return a frame if the service that declares its host is granted.

        Otherwise return the reason why it is not loaded, with a button that grants only that service. The page of a video
        on YouTube or Vimeo becomes the address of its privacy-friendlier player. The purpose and the title are those of
        the service unless they are passed. If several services declare the host, all must be granted, one click each,
        unless ``service`` is the id of one. Raises the errors of :meth:`script`.
        """
        ctx = privacy_context(self._runtime)
        root, first = ctx.mount, not ctx.has_embed
        ctx.has_embed = True
        slot = {"action": f"{root}{self._prefix}/consent", "here": current_url(ctx), "nonce": ctx.nonce_attribute}
        slot["stylesheet"] = self.asset("widgets.css") if first else ""
        return self._gated_tags.embed(url, purpose, service, title, attributes, slot)

    def google_tag(
        self, tag_id: str, *, purpose: str | None = None, service: str | None = None, advertising: str | None = None
    ) -> Markup:
        """Return Google's tag for this id if its service is granted. Otherwise empty.

        An id ``GTM-…`` is that of the ready-made service ``google-tag-manager``, any other that of ``google-analytics``. If
        the site does not declare it, every service that declares www.googletagmanager.com must be granted. ``purpose`` and
        ``service`` name another one. Before the tag, a script sends the four signals of Consent Mode. ``analytics_storage``
        is "granted". The three signals of advertising are "granted" if the purpose ``advertising`` is. Raises the errors of
        :meth:`script`.
        """
        return self._gated_tags.google_tag(tag_id, purpose, service, advertising, self.asset("google-consent-mode.js"))

    def settings_link(self, text: str | LocalizedText | None = None) -> Markup:
        """Return a link to the privacy settings; place it on every page."""
        if text is not None:
            return self._link_to(_SETTINGS, text)
        ctx = privacy_context(self._runtime)
        return self._own_links(ctx.cookies.mount, ctx.language, self._hyphenates)[_SETTINGS]

    def policy_link(self, text: str | LocalizedText | None = None) -> Markup:
        """Return a link to the privacy policy."""
        if text is not None:
            return self._link_to(_POLICY, text)
        ctx = privacy_context(self._runtime)
        return self._own_links(ctx.cookies.mount, ctx.language, self._hyphenates)[_POLICY]

    def staff_pages(self) -> Markup:
        """Return the navigation between the pages for staff that this user may open. Empty for all other visitors.

        Place it on the site's own pages for staff too, and name them in ``PRIVACY_STAFF_PAGES``.
        """
        ctx = privacy_context(self._runtime)
        if not (pages := staff_pages(ctx)):
            return _EMPTY
        navigation = render("_staff_pages.html", t=ctx.language, staff_pages=pages)
        sheet = Markup() if ctx.is_own_page else Markup('<link rel="stylesheet" href="{}">').format(self.asset("staff.css"))
        return sheet + Markup(navigation)  # noqa: S704 — a rendered template

    def asset(self, name: str) -> str:
        """Return the URL of one of the extension's style sheets or scripts. It contains the content's hash."""
        return self._asset(privacy_context(self._runtime).mount, name)

    def notice(self, point: str) -> Markup:
        """Return the notice of a collection point: its fields, their purposes and a link to the policy.

        Place it inside the form. If other people can read the data, it has a checkbox that acknowledges this. An
        undeclared point raises :class:`UndeclaredCollection` in tests and in debug mode. In production it is logged, and
        the notice is empty.
        """
        declared = declared_point(point)
        if declared is None:
            return _EMPTY
        return form_fragment("notice", declared, words=notices.notice, public=notices.public_sentences)

    @property
    def problem(self) -> FormProblem:
        """Why the form of this request was rejected; false if it was not."""
        return current_problem(privacy_context(self._runtime))

    def problems(self, point: str = "", *, ids: Mapping[str, str] | None = None) -> Markup:
        """Return what is wrong with the rejected form, with a link to each field concerned. Empty if it was not rejected.

        Place it above the form. On a page with several forms, ``point`` is the collection point of this one. ``ids`` has
        the id of each field whose element's id is not the field's name.
        """
        ctx = privacy_context(self._runtime)
        problem = current_problem(ctx, point)
        if not problem:
            return _EMPTY
        ctx.is_problem_shown = True
        page = render(
            "_problems.html", t=ctx.language, problem=problem, links=problem.with_ids(ids or {}), **widget_style(ctx)
        )
        return Markup(page)  # noqa: S704 — a rendered template

    def field(self, name: str, point: str = "", *, id: str = "") -> FormField:
        """Return what was typed into a field, and its error, for a form that is shown again; see :class:`FormField`."""
        return form_field(privacy_context(self._runtime), name, point, id)

    def opt_in(self, point: str) -> Markup:
        """Return an unticked checkbox that opts in to a point, such as ``"newsletter"``, in another point's form."""
        declared = declared_point(point)
        if declared is None:
            return _EMPTY
        return form_fragment("opt_in", declared, words=notices.opt_in, label=notices.opt_in_label)

    def age_question(self) -> Markup:
        """Return the question for a birth date. It does not mention the age limit; only a yes or no is stored."""
        ctx = privacy_context()
        error = self.field(notices.AGE_FIELD, id="privacy_birth")
        page = render("age_question.html", t=ctx.language, names=notices.BIRTH_DATE_FIELDS, error=error, **widget_style(ctx))
        return Markup(page)  # noqa: S704 — a rendered template

    def acceptance(self, point: str = "licence") -> Markup:
        """Return the form that accepts a licence, for the site's own page with the text of the licence."""
        ctx, declared = privacy_context(), declared_point(point)
        licence = licence_of(declared) if declared is not None else None
        if declared is None or licence is None:
            return _EMPTY
        fields = [
            (name, notices.field_descriptions(ctx.runtime.policy, [name], ctx.language)[0])
            for name in _typed_fields(declared)
        ]
        version, next_url = licence.version(ctx.runtime.policy), ctx.request.values.get("next")
        ids = {name: f"mixamo-{name}" for name in (*declared.required, *declared.optional, "acceptance")}
        return form_fragment(
            "acceptance", declared, version=version, next=next_url, fields=fields, notice=self.notice(point), ids=ids
        )

    def _link_to(self, which: int, text: str | LocalizedText) -> Markup:
        return self._link(privacy_context(self._runtime).mount, *_LINKS[which], text)

    def _make_own_links(self, root: str, t: Language, hyphenates: bool) -> tuple[Markup, ...]:
        """Return the links to the settings and to the policy with the standard texts."""
        texts, lang = [t("Privacy settings"), t("Privacy policy")], Markup(' lang="{}" dir="{}"').format(t.code, t.dir)
        shown = [text.hyphenated if hyphenates and text.hyphenated else text.text for text in texts]
        return tuple(self._make_link(root, *to, text, lang) for to, text in zip(_LINKS, shown, strict=True))

    def _make_link(self, root: str, path: str, css_class: str, text: str | LocalizedText, lang: Markup = _EMPTY) -> Markup:
        address = root + self._prefix + path
        return Markup('<a class="{}" href="{}" rel="nofollow"{}>{}</a>').format(css_class, address, lang, text)

    def _make_tracker(self, root: str, visitor_tag: str, nonce: Markup, is_prefetch: bool) -> Markup:
        before, after = self._tracker_parts(root, is_prefetch)
        tag = f"{before}{visitor_tag}{after}{nonce}></script>"
        return Markup(tag)  # noqa: S704 — escaped parts around a visitor tag, which needs no escape

    def _make_tracker_parts(self, root: str, is_prefetch: bool) -> tuple[str, str]:
        """Return the tracker's tag before the visitor tag, and after it up to the nonce.

        On a prefetched page, which may never be shown, the tracker reports the view.
        """
        before, after = (
            Markup('<script src="{}" defer{}')
            .format(self._runtime.tracker_url(root, _TAG), Markup(" data-page-view") if is_prefetch else _EMPTY)
            .split(_TAG)
        )
        return str(before), str(after)

    def _make_fragment_loader(self, root: str, t: Language) -> Markup:
        """Return the tags of a page that is the same for all visitors; its script loads :meth:`visitor_fragment`."""
        tags = Markup('<script src="{}{}/page.js" defer{}></script><noscript>{}</noscript>')
        return tags.format(root, self._prefix, _NONCE, self._own_links(root, t, False)[_SETTINGS])

    def _asset(self, root: str, name: str) -> str:
        return f"{root}{self._prefix}/static/{self._runtime.assets.filename(name)}"

    def _uses_built_in_template(self) -> bool:
        """Whether the banner can be cached: a site's own template may depend on the request."""
        if self._is_built_in is None:
            self._is_built_in = is_built_in(self.templates.get_template(FOLDER + _BANNER).filename)
        return self._is_built_in

    def _banner_parts(self, root: str, assets: bool, inline: bool, t: Language) -> tuple[str, ...]:
        """Render the banner, and split it at each place of the page's path."""
        policy = self._runtime.policy
        rendered = render(
            _BANNER,
            action=f"{root}{self._prefix}/consent",
            here=_CURRENT_PATH,
            nonce=_NONCE,
            t=t,
            shown=proof.banner(policy, t).form_token,
            text=banner_text(policy, t),
            style=self.banner_style.text if inline else None,
            stylesheet=self._asset(root, "banner.css") if assets else None,
            javascript=self._asset(root, "banner.js") if assets else None,
            dialog=self._asset(root, "settings-dialog.js"),
            layout=self._runtime.settings.banner,
        )
        return tuple(rendered.split(_CURRENT_PATH))


def _filled(parts: tuple[str, ...], back_to: str, nonce: Markup) -> Markup:
    text = str(escape(back_to)).join(parts).replace(_NONCE, nonce)
    return Markup(text)  # noqa: S704 — the parts are a rendered template


def _typed_fields(point: CollectionPoint) -> list[str]:
    """Return the fields that the visitor types. ``acceptance`` is not among them: the button submits it."""
    return [name for name in (*point.required, *point.optional) if name != "acceptance"]
