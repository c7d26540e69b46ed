"""``flask privacy init | check | policy``: the declaration and its frozen versions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import ScriptInfo, with_appcontext

from ..audit.checks import CheckFinding, check_controller, run_checks
from ..audit.source.scan import scan
from ..errors import PolicyError, SettingError
from ..policy import toml
from ..policy.parts import is_day
from ..policy.versions import as_json as as_json_list
from ..reports.formatting import counted
from ..storage.clock import today
from ..web.assets import folder
from ..web.context import current_runtime
from ..web.other_extensions import extension_of
from .common import HelpGroup, echo, exit_2_on_error, exit_codes, json_option, print_json


@exit_codes("written", error="the file exists; it is left alone")
@click.command("init")
@click.option(
    "--path", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; by default beside the app."
)
@with_appcontext
@exit_2_on_error
def init_command(path: Path | None) -> None:
    """Write a commented privacy.toml to start from.

    Flask's session cookie is a comment in it, unless the app uses Flask-Login or Flask-WTF's CSRFProtect.
    """
    target = path or Path(current_app.root_path) / toml.NAME
    if target.exists():
        echo(f"Error: {target} exists already. It was not changed.", err=True)
        sys.exit(2)
    target.write_text(_start_text(current_app), encoding="utf-8")
    echo(f"{target} written. Edit it, then run `flask privacy check` and `flask privacy policy freeze`.")


def _start_text(app: Flask) -> str:
    """Return the text of the file to start from.

    If the app has neither logins nor forms with a CSRF token, the table of Flask's session cookie is a comment: an audit
    would report it as declared and not seen.
    """
    text = toml.START.read_text(encoding="utf-8")
    # A login manager of any package keeps the user's id in the session.
    if hasattr(app, "login_manager") or extension_of(app, "csrf", "flask_wtf") is not None:
        return text
    start = text.index('[[cookies]]\nname = "session"')
    table, blank, rest = text[start:].partition("\n\n")
    lines = [
        "Flask's session cookie. Declare it if the site uses it, for example for logins.",
        *table.splitlines(),
    ]
    return text[:start] + "\n".join(f"# {line}" for line in lines) + blank + rest


@exit_codes("printed, or written", error="failed")
@click.command("types")
@click.option(
    "--path", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; by default standard output."
)
@with_appcontext
@exit_2_on_error
def types_command(path: Path | None) -> None:
    """Print TypeScript types of the browser's events and JSON, with the site's own purposes and services."""
    policy = current_runtime().policy
    text = (folder("static") / "privacy.d.ts").read_text(encoding="utf-8")
    purposes, services = (purpose.id for purpose in policy.purposes), (service.id for service in policy.services)
    for name, ids in (("PurposeId", purposes), ("ServiceId", services)):
        union = " | ".join(map(json.dumps, ids)) or "never"
        text = text.replace(f"type {name} = string;", f"type {name} = {union};")
    if path is None:
        echo(text.rstrip("\n"), lines=True)
    else:
        path.write_text(text, encoding="utf-8")
        echo(f"{path} written. Write it again after each change of the purposes and services.")


@exit_codes("no errors; there may be warnings", "errors", error="could not check")
@click.command("check")
@json_option
@click.option("--templates", is_flag=True, help="Check the site's templates, JavaScript and CSS too.")
@click.pass_context
@exit_2_on_error
def check_command(context: click.Context, as_json: bool, templates: bool) -> None:
    """Check the declaration, its frozen versions and the app. Exit with 1 if there are errors.

    Also works if the app does not start because of its policy or a setting.
    """
    findings = _findings(context.ensure_object(ScriptInfo), templates)
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            echo(str(finding), lines=True)
        echo(f"{counted(len(findings), 'finding')}." if findings else "No findings.")
    sys.exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _findings(script: ScriptInfo, templates: bool) -> list[CheckFinding]:
    """Return the findings. Errors of the policy or the settings are findings too, although the app does not start."""
    try:
        app = script.load_app()
    except PolicyError as error:
        return [CheckFinding("error", problem.key, str(problem), "") for problem in error.problems]
    except SettingError as error:
        return [CheckFinding("error", error.name, str(error), "")]
    with app.app_context():
        return [*run_checks(current_runtime()), *(scan(app, current_runtime()) if templates else ())]


policy = HelpGroup("policy", help="The frozen versions of the policy.")


@exit_codes("written", error="a published version of this or a later day exists")
@policy.command("freeze")
@click.option("--date", "day", help="The day of the version, such as 2026-05-08; by default today.")
@exit_2_on_error
def freeze_command(day: str | None) -> None:
    """Publish the current policy as a dated version, which is never changed later. Commit the file with the site."""
    runtime = current_runtime()
    day = day or today()
    if not is_day(day):
        raise click.BadParameter(f"{day!r} is not a day; write it as 2026-05-08.", param_hint="--date")
    path = runtime.versions.freeze(runtime.policy, day)
    echo(f"{path} written. Commit it: it is the policy that visitors read from now on.")
    for finding in check_controller(runtime):
        echo(str(finding), err=True, lines=True)


@exit_codes("no differences", "differences", error="there is no version")
@policy.command("diff")
@json_option
@exit_2_on_error
def diff_command(as_json: bool) -> None:
    """Show the differences between the declaration and the newest version. Exit with 1 if there are any."""
    runtime = current_runtime()
    try:
        changes = runtime.versions.drift(runtime.policy)
    except LookupError:
        echo("Error: there is no frozen version yet. Write one by `flask privacy policy freeze`.", err=True)
        sys.exit(2)
    if as_json:
        print_json(as_json_list(changes))
    else:
        for change in changes:
            echo(f"{'+' if change.kind == 'added' else '-'} {change.section}: {change.text}")
        if not changes:
            echo(f"No differences from the version of {runtime.versions.dates()[-1]}.")
    sys.exit(1 if changes else 0)


@exit_codes("printed")
@policy.command("record")
@exit_2_on_error
def record_command() -> None:
    """Print the declaration as JSON: a record of processing (GDPR art. 30)."""
    print_json(current_runtime().policy.as_dict(), indent=1)
