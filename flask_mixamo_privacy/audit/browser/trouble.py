"""Why an audit could not look. A blank crawl is never a clean one."""

from __future__ import annotations

from ...errors import PrivacyError


class CouldNotLook(PrivacyError):
    """The audit saw nothing, or not what it was to see; says why and what to do next."""


class NoBrowser(CouldNotLook):
    """Chromium is not there, or does not start."""

    def __init__(self, path: str | None, why: str) -> None:
        self.path, self.why = path, why
        what = f"{path} did not start" if path else "No Chromium was found, and Playwright's own did not start"
        super().__init__(f"{what}: {why} Install one with your system's packages, or run: playwright install chromium")


class StrangeServer(CouldNotLook):
    """Another server answered than the one that was to be audited."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        super().__init__(f"The server at {url} is not the one to audit: {why}")


class NoSuchUser(CouldNotLook):
    """Flask-Login knows nobody by the id that a login names."""

    def __init__(self, login: str, user_id: str) -> None:
        self.login, self.user_id = login, user_id
        super().__init__(
            f"The login {login!r} names the user {user_id!r}, whom Flask-Login does not know. Give the id that its "
            "user_loader takes, or in PRIVACY_AUDIT_LOGINS an async callable (page) that signs in."
        )


class NoAnswer(CouldNotLook):
    """A visitor's answer could not be given, or did not come to what it says."""

    def __init__(self, state: str, why: str) -> None:
        self.state = state
        super().__init__(f"The audit could not get to the state {state!r}: {why}")
