"""The app of gunicorn and of the loader. Its clock and its disk are those that the runner chose."""

# The clock is replaced first, because libraries may import the function itself.
from __future__ import annotations

from torture.dials import Dials
from torture.site import from_environment, make_site

folder, database = from_environment()
dials = Dials(folder / "dials")
dials.replace_clock()
dials.slow_down_disk()
app = make_site(folder, database)
