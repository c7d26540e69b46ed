"""The architecture: a module imports only from its own layer or below, and the lower half never imports Flask."""

import ast
from pathlib import Path

import pytest

import flask_mixamo_privacy

ROOT = Path(flask_mixamo_privacy.__file__).parent
_FLOORS = """
audit.browser cli.crowd cli.outcomes collection consent errors i18n i18n.language ledger ledger.chain ledger.entry policy policy.checking policy.checks policy.forgetting policy.model policy.period policy.policy policy.promises reports signals storage storage.duration storage.keys storage.moments storage.pending storage.subjects tracking web web.views

collection.age config config_aside config_setting policy.declaration policy.derivation policy.document policy.versions

assets collection.notices consent.consent consent.wording reports.decisions reports.disclosure reports.piece reports.tally reports.windows storage.denials tracking.addresses tracking.allowance tracking.client tracking.events tracking.intake tracking.visits web.assets web.blocked web.csp

consent.leftovers ledger.ledger reports.headcount reports.pieces reports.recent storage.database tracking.log tracking.schema tracking.store web.cookies web.guard web.pages

mail.mail rights rights.acceptances rights.book rights.columns rights.desk rights.letters rights.minors rights.models rights.people rights.replay rights.row rights.standings rights.stores web.office

mail mail.aside mail.authentication mail.automatic mail.boxes mail.choices mail.classifier mail.decision mail.feedback mail.inbox mail.label mail.marketing mail.markup mail.reading mail.room mail.seen mail.sending mail.tokens mail.verdict mail.wishes mail.words

collection.disclosure collection.given collection.taking

audit.findings audit.modelling audit.source audit.source.markup audit.source.rules audit.source.script audit.source.sources audit.source.stylesheet audit.source.template audit.source.trace audit.told_of_forms consent.receipt ledger.verification reports.charts reports.published reports.reading reports.rebuilding reports.reports reports.shapes reports.spreadsheet reports.telling tracking.footprint tracking.lines tracking.loader tracking.scrubbing web.access web.current web.locale web.site web.whereabouts

web.collection web.need web.refusing web.sifting

mailman

audit audit.browser.answers audit.browser.audit_hosts audit.browser.audit_main audit.browser.audit_rules_hosts audit.browser.axe audit.browser.banner audit.browser.baseline audit.browser.browser audit.browser.consent audit.browser.cookies audit.browser.crawl audit.browser.evidence audit.browser.finding audit.browser.page audit.browser.pages audit.browser.persons audit.browser.pictures audit.browser.plainly audit.browser.report audit.browser.routes audit.browser.rules_main audit.browser.seen audit.browser.server audit.browser.shared audit.browser.signing audit.browser.states audit.browser.target audit.browser.terminal audit.browser.trouble audit.browser.visitor audit.browser.watching audit.browser.whose

cli cli.cli_audit cli.cli_disclosures cli.cli_inbox cli.cli_ledger cli.cli_minors cli.cli_people cli.cli_receipt cli.cli_requests cli.cli_tracking cli.demo cli.group cli.playing cli.policy cli.reporting web.closing web.counting web.gates web.licences web.links web.markup web.tags

web.origin web.views.assets web.views.blueprint web.views.consent web.views.csp web.views.decision web.views.encoding web.views.events web.views.licence web.views.me web.views.page web.views.policy web.views.receipt web.views.reports web.views.requests web.views.staff web.views.tracker web.views.unsubscribe

extension testing wtf
"""
FLOORS = (*(set(floor.split()) for floor in _FLOORS.split("\n\n")), {""})
_WITHOUT_FLASK = """
cli.crowd collection.age collection.disclosure collection.given collection.notices collection.taking consent.consent consent.leftovers consent.receipt consent.wording i18n.language ledger.chain ledger.entry ledger.ledger ledger.verification mail mail.aside mail.authentication mail.automatic mail.boxes mail.choices mail.classifier mail.decision mail.feedback mail.inbox mail.label mail.mail mail.marketing mail.markup mail.reading mail.room mail.seen mail.sending mail.tokens mail.verdict mail.wishes mail.words policy.checks policy.declaration policy.derivation policy.document policy.model policy.policy policy.versions reports.charts reports.decisions reports.disclosure reports.headcount reports.piece reports.pieces reports.published reports.reading reports.rebuilding reports.recent reports.reports reports.shapes reports.spreadsheet reports.tally reports.telling reports.windows rights rights.acceptances rights.book rights.columns rights.desk rights.letters rights.minors rights.models rights.people rights.replay rights.row rights.standings rights.stores storage.database storage.duration storage.keys storage.moments storage.pending storage.subjects tracking tracking.addresses tracking.allowance tracking.client tracking.events tracking.footprint tracking.intake tracking.lines tracking.loader tracking.log tracking.schema tracking.scrubbing tracking.store tracking.visits web.office
"""
WITHOUT_FLASK = set(_WITHOUT_FLASK.split())
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
    if name_of(path) in WITHOUT_FLASK:
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
