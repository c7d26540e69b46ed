"""The architecture: a module imports only from its own layer or below, and the lower half never imports Flask."""

import ast
from pathlib import Path

import pytest

import flask_mixamo_privacy

ROOT = Path(flask_mixamo_privacy.__file__).parent
FLOORS = (
    {
        "errors",
        "period",
        "policy",
        "model",
        "checks",
        "checking",
        "forgetting",
        "promises",
        "language",
        "signals",
        "keys",
        "outcomes",
        "crowd",
        "tracking",
        "chain",
        "entry",
        "pending",
        "rights.moments",
        "rights.duration",
        "rights.subjects",
    },
    {"aside", "document", "age", "derivation", "declaration", "versions", "setting", "config"},
    {
        "wording",
        "notices",
        "consent",
        "tracking.addresses",
        "tracking.client",
        "tracking.visits",
        "tracking.events",
        "tracking.windows",
        "tracking.disclosure",
        "tracking.tally",
        "tracking.piece",
        "tracking.decisions",
        "tracking.intake",
        "tracking.allowance",
        "assets",
        "csp",
        "blocked",
        "denials",
    },
    {
        "database",
        "cookies",
        "tracking.log",
        "tracking.schema",
        "tracking.store",
        "tracking.recent",
        "tracking.pieces",
        "tracking.headcount",
        "ledger",
        "leftovers",
        "pages",
        "guard",
    },
    {
        "rights",
        *(f"rights.{room}" for room in ("stores", "columns", "row", "models", "book")),
        *(f"rights.{room}" for room in ("mail", "letters", "people", "desk", "replay", "office")),
        *(f"rights.{room}" for room in ("standings", "minors", "acceptances")),
    },
    {
        "mail",
        *(f"mail.{room}" for room in ("tokens", "decision", "label", "choices", "marketing", "words", "room", "markup")),
        *(f"mail.{room}" for room in ("reading", "authentication", "automatic", "feedback", "wishes", "verdict")),
        *(f"mail.{room}" for room in ("classifier", "boxes", "seen", "aside", "inbox", "sending")),
    },
    {"given", "taking", "disclosure"},
    {
        "tracking.scrubbing",
        "tracking.footprint",
        "receipt",
        "verification",
        "tracking.lines",
        "tracking.loader",
        "tracking.published",
        "tracking.reading",
        "tracking.shapes",
        "tracking.reports",
        "charts",
        "telling",
        "spreadsheet",
        "tracking.rebuilding",
        "site",
        "locale",
        "current",
        "findings",
        "scan",
        *(f"scan.{room}" for room in ("trace", "stylesheet", "script", "markup", "template", "rules", "sources")),
        "access",
        "whereabouts",
        "modelling",
        "told_of_forms",
    },
    {"need", "sifting", "refusing", "collection"},
    {"mailman"},
    {
        "audit",
        *(f"audit.{room}" for room in ("evidence", "finding", "states", "hosts", "routes", "target", "trouble")),
        *(f"audit.{room}" for room in ("server", "browser", "watching", "shared", "visitor", "axe", "plainly", "crawl")),
        *(f"audit.{room}" for room in ("signing", "whose", "report", "rules", "baseline", "terminal", "pictures", "page")),
        *(
            f"audit.rules.{room}"
            for room in ("cookies", "hosts", "seen", "consent", "persons", "banner", "answers", "pages")
        ),
    },
    {
        "counting",
        "closing",
        "gates",
        "tags",
        "links",
        "licences",
        "markup",
        "demo",
        "playing",
        "reporting",
        "cli_audit",
        "cli_ledger",
        "cli_receipt",
        "cli_people",
        "cli_requests",
        "cli_disclosures",
        "cli_inbox",
        "cli_minors",
        "cli_policy",
        "cli_tracking",
        "cli",
    },
    {
        "views.origin",
        "views.assets",
        "views.policy",
        "views.consent",
        "views.requests",
        "views.receipt",
        "views.me",
        "views.staff",
        "views.decision",
        "views.csp",
        "views.reports",
        "views.encoding",
        "views.tracker",
        "views.page",
        "views.events",
        "views.licence",
        "views.unsubscribe",
        "views",
    },
    {"extension", "wtf", "testing"},
    {""},
)
WITHOUT_FLASK = (
    "policy",
    "model",
    "checks",
    "language",
    "document",
    "derivation",
    "declaration",
    "versions",
    "consent",
    "chain",
    "entry",
    "notices",
    "age",
    "given",
    "taking",
    "disclosure",
    "ledger",
    "verification",
    "receipt",
    "wording",
    "leftovers",
    "keys",
    "pending",
    "database",
    "tracking",
    "crowd",
    "charts",
    "telling",
    "spreadsheet",
    "rights",
    "mail",
)
MODULES = sorted(path for path in ROOT.rglob("*.py") if {"static", "templates"}.isdisjoint(path.parts))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def imports_of(path: Path) -> set[str]:
    """Return the names that a module imports; those of the package begin with a dot."""
    package = name_of(path).split(".") if path.name == "__init__.py" else name_of(path).split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            base = [part for part in package if part][: len([p for p in package if p]) - node.level + 1]
            inside = [*base, *(node.module or "").split(".")]
            names = [".".join(filter(None, [*inside, alias.name])) for alias in node.names]
            known = {name_of(module) for module in MODULES}
            found |= {"." + (name if name in known else ".".join(filter(None, inside))) for name in names}
    return found


def floor_of(module: str) -> int:
    return next(level for level, names in enumerate(FLOORS) if module in names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_own_layer_or_below(path: Path) -> None:
    """A module imports from its own layer or from a lower one."""
    for imported in imports_of(path):
        if imported.startswith(".") and name_of(path) != "":
            assert floor_of(imported[1:]) <= floor_of(name_of(path)), f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_lower_half_never_imports_flask(path: Path) -> None:
    """The policy, consent, ledger and tracking run in a worker that has no app."""
    if name_of(path).split(".")[0] in WITHOUT_FLASK:
        assert not {name for name in imports_of(path) if name.split(".")[0] in ("flask", "flask_login", "werkzeug")}


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "derivation"], ids=name_of)
def test_a_module_has_at_most_350_lines(path: Path) -> None:
    """A module has at most 350 lines, except ``derivation``, which is a table of sentences."""
    assert len(path.read_text().splitlines()) <= 350


def test_promise_42_nothing_claims_to_be_compliant() -> None:
    """No text of the product claims compliance, because a check tests only a mechanism."""
    texts = [
        *ROOT.rglob("*.py"),
        *ROOT.parent.glob("templates/**/*.html"),
        *ROOT.parent.glob("static/*"),
        ROOT.parent / "README.md",
        *ROOT.parent.glob("docs/*.md"),
    ]
    assert not [str(path) for path in texts if path.is_file() and "compliant" in path.read_text().lower()]
