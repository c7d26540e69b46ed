"""What a process remembers of requests is bounded by number and by size."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import flask_mixamo_privacy
from flask_mixamo_privacy.storage.memory import LONGEST_KEY, BoundedCache, NetworkAllowance, bounded_cache
from flask_mixamo_privacy.tracking import scrub
from flask_mixamo_privacy.web.context import privacy_context

PACKAGE = Path(flask_mixamo_privacy.__file__).parent

#: Caches whose keys no client chooses freely, and why not. Any other cache must be a bounded_cache.
OF_OUR_OWN = {
    "collection/notices.py": {"_text": "points and languages of the policy"},
    "i18n/language.py": {
        "language": "shipped languages; any other raises",
        "_with_region": "regions of two letters, and 64 at most",
    },
    "mail/phrases.py": dict.fromkeys(
        ("words", "_more", "_words_as_whole_text", "_anywhere"), "no argument, or the words of a site's catalogues"
    ),
    "policy/ready_made.py": {"ready_made": "no argument"},
    "policy/toml.py": {"built_in": "no argument"},
    "reports/open_days.py": {"OpenDays": "tables of one answer"},
    "reports/tables.py": {"counters_of": "no argument, and only during one count"},
    "reports/windows.py": {"_local": "minutes, from the server's clock"},
    "storage/clock.py": {"_days_since_1970": "days", "_second": "seconds"},
    "storage/memory.py": {"BoundedCache": "the bound itself"},
    "tracking/events.py": {"page_members": "scrubbed values, cut to 200", "_visit_id": "ids in signed cookies"},
    "tracking/ingest.py": {"EventParser": "events of at most 400 bytes"},
    "tracking/log.py": {"_write_of_c": "no argument"},
    "tracking/scrub.py": {"_parser": "no argument"},
    "tracking/row_names.py": {"row_names": "events of one batch", "_column": "events of one batch"},
    "web/assets.py": {"folder": "folders of the package", "_built_once": "files of the package"},
    "web/banner_style.py": {"BannerStyle": "64 policies, from headers of the site's own code"},
    "web/cookies.py": {
        "Cookies": "texts of verified values",
        "StatedCookies": "headers of at most 512, and valid cookies",
    },
    "web/csp.py": {"ContentSecurityPolicy": "services of the policy"},
    "web/locale.py": {"SiteLocale": "a header cut to 200"},
    "web/other_extensions.py": {"_packages": "classes"},
    "web/page_names.py": {"PageNames": "texts cut to 512"},
    "web/response.py": {"_merged": "headers of the site's own code"},
    "web/runtime.py": {"Runtime": "sixteen hosts and mounts, and headers cut to 512"},
    "web/templates.py": {"TemplateHelpers": "mounts, languages, paths of at most 200, and tags of signed cookies"},
}


def caches_in(path: Path) -> set[str]:
    """Return the names of the top-level functions and classes of a module that use a cache of functools."""
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "functools"]
    caches = {name.name for node in imports for name in node.names} & {"cache", "lru_cache"}
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return {node.name for node in functions if caches & {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}}


def test_every_cache_of_a_server_is_bounded_or_has_keys_of_our_own():
    """A cache that grows with what clients send is no defence against them. Commands serve only their operator."""
    modules = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ("audit", "cli")]
    found = {path.relative_to(PACKAGE).as_posix(): caches_in(path) for path in modules}
    assert {name: caches for name, caches in found.items() if caches} == {
        name: set(caches) for name, caches in OF_OUR_OWN.items()
    }


def test_a_bounded_cache_holds_no_long_key():
    """Results of long arguments are the same, and are not kept."""
    measure = bounded_cache(9)(lambda text, other="": len(text) + len(other or ""))
    for size in (1, LONGEST_KEY, LONGEST_KEY + 1, 100_000):
        assert measure("x" * size) == size and measure("x", "y" * size) == size + 1
    assert measure.cache_info().currsize == 3 and measure("x", None) == 1


@pytest.mark.parametrize("name", ["scrub_path", "split_referrer", "network_of", "client_of"])
def test_the_caches_of_headers_and_paths_hold_no_long_key(name):
    """A flood of long paths, referrers, addresses or browser names leaves nothing in memory."""
    function = getattr(scrub, name)
    assert isinstance(function, BoundedCache)
    before = function.cache_info().currsize
    for letter in "abc":
        function(*(letter * 5000,) * (2 if name == "split_referrer" else 1))
    assert function.cache_info().currsize == before


def test_the_cache_of_matched_paths_holds_no_long_path(tiny):
    """Browsers report paths, and any client can send any of them."""
    site = tiny()
    pages = site.privacy.runtime(site.app).pages
    with site.app.test_request_context():
        assert pages.rule_of("/item/" + "x" * 10_000, "") == "/item/<name>"
        assert pages._match_on.cache_info().currsize == 0 and pages.rule_of("/item/x", "") == "/item/<name>"
    assert pages._match_on.cache_info().currsize == 1


def test_a_network_cannot_use_the_allowance_of_another():
    """Its own is full again on the next day."""
    allowance = NetworkAllowance(2)
    assert [allowance.take("203.0.113.0/24", "2026-05-08") for _ in range(3)] == [True, True, False]
    assert allowance.take("198.51.100.0/24", "2026-05-08") and allowance.take("203.0.113.0/24", "2026-05-09")


def test_a_client_with_many_networks_shares_one_allowance(monkeypatch):
    """The number of networks in memory is bounded."""
    monkeypatch.setattr(NetworkAllowance, "MOST_NETWORKS", 3)
    allowance = NetworkAllowance(1)
    taken = [allowance.take(f"2001:db8:{number}::/48", "2026-05-08") for number in range(10)]
    assert taken == [True] * 4 + [False] * 6


def test_the_caches_of_mounts_hold_no_long_mount(tiny):
    """A proxy may pass on any ``X-Forwarded-Prefix``, and a page has its mount a dozen times."""
    site = tiny()
    with site.app.test_request_context("/", environ_overrides={"SCRIPT_NAME": "/" + "x" * 8000}):
        assert len(privacy_context().mount) == LONGEST_KEY
    with site.app.test_request_context("/", environ_overrides={"SCRIPT_NAME": "/shop"}):
        assert privacy_context().mount == "/shop"
