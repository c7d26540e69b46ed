"""``flask privacy demo-data``: something to show before anybody has come."""

from __future__ import annotations

import time
from contextvars import Context
from zoneinfo import ZoneInfo

import click
from flask import current_app
from flask.cli import with_appcontext

from ..tracking.loader import WAIT
from ..web.site import site
from .crowd import Crowd
from .demo import Player, log_aside
from .outcomes import could_not_look, refuse


@click.command("demo-data")
@click.option("--visitors", type=click.IntRange(1), default=450, show_default=True, help="How many come.")
@click.option("--days", type=click.IntRange(1, 390), default=62, show_default=True, help="Over how many days until now.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same people for the same seed.")
@click.option("--yes", is_flag=True, help="Even though the site has events already.")
@click.option("--if-empty", is_flag=True, help="Do nothing where the site has events already.")
@with_appcontext
@could_not_look
def demo_command(visitors: int, days: int, seed: int, yes: bool, if_empty: bool) -> None:
    """Play invented visitors through the site: some accept, some refuse, some do not answer, and some are robots.

    Their requests are real ones, made to the app itself; only the people and the moments are invented.
    """
    here = site()
    here.load(wait=WAIT)
    if here.reports.windows("day") and not yes:
        if if_empty:
            return
        refuse(
            "this site has events already, and nobody could tell those of invented visitors from them afterwards. "
            "Nothing was played; add --yes to play all the same."
        )
    crowd = Crowd(visitors, days, time.time(), ZoneInfo(here.settings.timezone), seed)
    arrivals = crowd.arrivals()
    alone = Context()  # without the app context of this command, which all requests would share
    player = Player(current_app._get_current_object(), here, seed)  # type: ignore[attr-defined]
    with log_aside(here), click.progressbar(arrivals, label="Playing visits", update_min_steps=20) as bar:
        for arrival in bar:
            alone.run(player.play, arrival)
    loaded = here.load(wait=WAIT)
    click.echo(
        f"{len(arrivals)} visits of {visitors} visitors and robots: {player.requests} requests, {loaded.events} events."
    )
