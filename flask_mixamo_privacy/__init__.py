"""Flask-Mixamo-Privacy: a Flask extension that enforces a site's privacy policy."""

from .extension import Privacy
from .policy.model import Policy
from .policy.parts import Cookie, Purpose
from .web.access import consent_required
from .web.current import current_consent, current_visitor
from .web.licences import acceptance_required

__all__ = [
    "Cookie",
    "Policy",
    "Privacy",
    "Purpose",
    "acceptance_required",
    "consent_required",
    "current_consent",
    "current_visitor",
]
