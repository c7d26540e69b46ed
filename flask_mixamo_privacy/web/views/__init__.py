"""The blueprint of the extension's own pages.

Each view parses its request, calls one of the packages below, and returns a response. No view imports another.
"""

from __future__ import annotations

from werkzeug.wrappers import Response

from ...errors import LedgerUnavailable, PrivacyError, RightsUnavailable, StoreError, StoreUnavailable
from ..assets import folder
from ..context import current_runtime
from ..hosts import PagesBlueprint
from ..http import problem
from ..limits import prepare_request

#: The pages under ``PRIVACY_URL_PREFIX``. Importing a module of this package adds its views.
pages = PagesBlueprint("mixamo_privacy", __name__, template_folder=str(folder("templates")))

# It runs before every before_request function of the app, also before Flask-WTF's, which parses forms.
pages.url_value_preprocessor(prepare_request)


def answer_unavailable(error: PrivacyError | OSError) -> Response:
    """Answer 503 and log one line if a database, a store or a disk fails. Flask would log a traceback for each request."""
    current_runtime().report_failure(error, raise_in_tests=False)
    return problem(503, me.NOT_READ)


for unavailable in (LedgerUnavailable, RightsUnavailable, StoreUnavailable, StoreError, OSError):
    pages.register_error_handler(unavailable, answer_unavailable)


from . import assets, beacons, consent, health, licence, me, policy, reports, rights, staff, staff_overview, unsubscribe
