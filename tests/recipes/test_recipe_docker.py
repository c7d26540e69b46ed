"""The recipe for Docker, without Docker: its commands and its environment, with a real PostgreSQL."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import ExitStack

import pytest
import yaml

from support.applications import Browser, forward_to
from support.recipes import free_port, wait_until

pytestmark = pytest.mark.recipes


@pytest.fixture
def page(recipe):
    return recipe("docker")


def secrets(page):
    """Return the variables of the file that Compose reads."""
    return dict(line.split("=", 1) for line in (page.folder / ".env").read_text().splitlines())


@pytest.fixture
def compose(page, server):
    """The services of the page. Their secrets are those of ``.env``, and the URLs lead to the test's PostgreSQL."""
    url = server.database()
    text = (page.folder / "compose.yaml").read_text()
    text = re.sub(r"postgresql\+psycopg://shop:\$\{DATABASE_PASSWORD:\?\}@database/shop", lambda _: url, text)
    text = re.sub(r"\$\{(\w+):\?\}", lambda match: secrets(page)[match[1]], text)
    return yaml.safe_load(text)


def image_command(page):
    """Return the command of the Dockerfile."""
    return json.loads(re.search(r"^CMD (.*)$", (page.folder / "Dockerfile").read_text(), re.MULTILINE)[1])


def opened(port):
    return Browser(forward_to(port), f"http://127.0.0.1:{port}")


def test_replicas_share_decisions_and_the_loader_loads_the_events_of_both(page, compose):
    """A grant at one replica counts at the other, and a withdrawal at the other erases what both recorded."""
    environment = compose["services"]["web"]["environment"]
    ports = [free_port() for _ in range(compose["services"]["web"]["deploy"]["replicas"])]
    report = shlex.join([*compose["services"]["load"]["command"][:4], "report", "--json"])
    with ExitStack() as stack:
        for port in ports:
            command = shlex.join(image_command(page)).replace("0.0.0.0:8000", f"127.0.0.1:{port}")
            stack.enter_context(page.running(command, port, **environment))
        first, second = map(opened, ports)
        first.submit(first.open("/").text, "accept_all")
        second.client = first.client  # the same visitor, sent to the other replica
        assert "mixamo-ask" not in second.open("/news").text
        follow = shlex.join(compose["services"]["load"]["command"])
        with page.following(follow, **environment):
            events = shlex.join([*compose["services"]["load"]["command"][:4], "events"])
            wait_until(lambda: page.run(events, **environment).count('"page_view"') == 2)
        second.submit(second.open("/privacy/consent").text, "reject_all")
        assert "page_view" not in page.run(events, **environment)
    assert page.run(report, **environment)
    verify = shlex.join([*compose["services"]["load"]["command"][:4], "ledger", "verify"])
    assert page.run(verify, **environment)


def test_the_log_of_a_killed_replica_is_loaded(page, compose):
    """An accepted event is on the volume, where a later container finds it. ``prune`` runs too."""
    environment, port = compose["services"]["web"]["environment"], free_port()
    command = (
        shlex.join(image_command(page)).replace("0.0.0.0:8000", f"127.0.0.1:{port}").replace("--workers 2", "--workers 1")
    )
    with page.running(command, port, **environment) as process:
        browser = opened(port)
        browser.submit(browser.open("/").text, "accept_all")
        browser.open("/news")
        process.kill()
    assert page.run("flask --app shop privacy events", **environment).count('"page_view"') == 2
    prune = compose["services"]["prune"]["command"][-1]
    page.run(re.search(r"while (.*?);", prune)[1], **environment)


def test_the_files_fit_each_other(page, compose):
    """The volume is the instance folder, which the image's user may write to, and the ports agree."""
    dockerfile = (page.folder / "Dockerfile").read_text()
    services = compose["services"]
    assert {volume for name in ("web", "load", "prune") for volume in services[name]["volumes"]} == {
        "instance:/srv/shop/instance"
    }
    assert "WORKDIR /srv/shop\n" in dockerfile and "chown shop /srv/shop/instance" in dockerfile
    assert services["web"]["expose"] == ["8000"] and ":8000" in image_command(page)[6]
    assert set(compose["volumes"]) == {"instance", "database"}


def test_the_secrets_are_complete_and_stay_out_of_the_image(page):
    """Compose stops without a value for each variable that it demands, and the build copies what is not ignored."""
    demanded = set(re.findall(r"\$\{(\w+):\?\}", (page.folder / "compose.yaml").read_text()))
    assert demanded == set(secrets(page)) and all(secrets(page).values())
    assert (page.folder / ".dockerignore").read_text().splitlines() == [".env", "instance"]
