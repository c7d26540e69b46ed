"""The blog with django-cookie-consent: its middleware, one group of cookies, and the groups in the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import django_blog

VERSIONS = ("django-cookie-consent", "Django")
CASES = {"visitor is asked": "", "visitor refused": "cookie_consent=statistics=-1"}
_BANNER = """{% not_accepted_or_declined_cookie_groups request as groups %}{% if groups %}
{% all_cookie_groups "cookie-groups" %}<template id="cookie-bar"><div>We count visits only if you agree.
<button name="accept">Accept</button><button name="decline">Decline</button></div></template>{% endif %}
{% if request|cookie_group_accepted:"statistics" %}<script src="/count.js"></script>{% endif %}"""


def apps(folder: Path) -> tuple[Any, Any]:
    """Return the bare blog, and the blog with the package."""
    django_blog.start(folder, ["cookie_consent"])
    from cookie_consent.models import Cookie, CookieGroup

    group = CookieGroup.objects.create(varname="statistics", name="Statistics", is_required=False, is_deletable=True)
    Cookie.objects.create(cookiegroup=group, name="visitor", domain="site.example")
    extended = django_blog.handler(
        ["cookie_consent.middleware.CleanCookiesMiddleware"], "{% load cookie_consent_tags %}", _BANNER
    )
    return django_blog.handler(), extended


def check(bare: Any, extended: Any) -> None:
    """Assert that only a visitor without a decision is asked, and that ten posts are on both pages."""
    asked, refused = (django_blog.body(extended, cookie) for cookie in CASES.values())
    assert "We count visits only" in asked
    assert "We count visits only" not in refused
    assert "count.js" not in refused
    assert [page.count('<article class="post">') for page in (asked, django_blog.body(bare))] == [10, 10]
