"""The login of a page that others can reach: one user, one password, known to whoever started the run.

Law: the password is compared in constant time, stands in no log, no page and no command line, and can be tried a few
times a minute only.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Blueprint, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import UserMixin, login_user, logout_user

PASSWORD_VARIABLE = "SEATRIAL_WEB_PASSWORD"  # noqa: S105 - the name of a variable
USER = "seatrial"
SHORTEST = 8

_TRIES, _WITHIN = 5, 60.0
_LASTS = timedelta(hours=12)


class Person(UserMixin):  # type: ignore[misc]  # it has no type information
    """Whoever knows the password."""

    id = USER


class Tries:
    """How often a wrong password was given of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=_TRIES)

    def too_many(self) -> bool:
        """Whether no further password is looked at for now."""
        return len(self._wrong) == _TRIES and self._clock() - self._wrong[0] < _WITHIN

    def wrong(self) -> None:
        """Count a wrong one."""
        self._wrong.append(self._clock())


def new_password() -> str:
    """A password that nobody guesses, short enough to be typed."""
    return secrets.token_urlsafe(12)


def add_login(web_ui: Any, password: str, *, tls: bool, tries: Tries | None = None) -> None:
    """Give locust's page, made with its own option for a login, that user and password."""
    app = web_ui.app
    app.secret_key = secrets.token_bytes(32)
    app.config.update(
        SESSION_COOKIE_NAME="seatrial",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=tls,
        PERMANENT_SESSION_LIFETIME=_LASTS,
    )
    tries = tries or Tries()
    right = password.encode()
    pages = Blueprint("seatrial_login", __name__)

    @pages.post("/seatrial/login")
    def login() -> ResponseReturnValue:
        given = request.form.get("password", "").encode()
        if tries.too_many():
            session["auth_error"] = "too many wrong passwords: wait a minute"
            return redirect(url_for("locust.login"))
        # Both are compared, so that the time tells nothing about the name either.
        known = hmac.compare_digest(request.form.get("username", "").encode(), USER.encode())
        if not (hmac.compare_digest(given, right) and known):
            tries.wrong()
            session["auth_error"] = "wrong user name or password"
            return redirect(url_for("locust.login"))
        session.clear()
        session.permanent = True
        login_user(Person())
        return redirect(url_for("seatrial.page"))

    @pages.post("/seatrial/logout")
    def logout() -> ResponseReturnValue:
        logout_user()
        session.clear()
        return redirect(url_for("locust.login"))

    @web_ui.login_manager.user_loader  # type: ignore[untyped-decorator]  # locust's manager has no type here
    def load(name: str) -> Person | None:
        return Person() if name == USER else None

    app.register_blueprint(pages, url_prefix=app.blueprints["locust"].url_prefix)
    web_ui.auth_args.update({"title": "Seatrial", "username_password_callback": "seatrial/login"})
