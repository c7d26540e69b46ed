"""The blueprint of the extension's own pages.

Each view parses its request, calls one of the packages below, and returns a response. No view imports another.
"""

from __future__ import annotations

from ..assets import folder
from ..hosts import PagesBlueprint
from ..http import exempt_from_csrf_protect

#: The pages under ``PRIVACY_URL_PREFIX``. Importing a module of this package adds its views.
pages = PagesBlueprint("mixamo_privacy", __name__, template_folder=str(folder("templates")))

# A url_value_preprocessor runs before every before_request function of the app, also before Flask-WTF's.
pages.url_value_preprocessor(exempt_from_csrf_protect)


from . import assets, beacons, consent, licence, me, policy, reports, rights
