"""Flask-Mixamo-Privacy: turns a site's privacy policy into something the site obeys."""

from .access import consent_required
from .current import current_consent, current_visitor
from .extension import Privacy
from .licences import acceptance_required
from .model import Policy
from .policy import Cookie, Purpose

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
