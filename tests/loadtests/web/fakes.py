"""Locust's web server without locust, whose import would patch the sockets of the tests."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, Flask, jsonify, session
from flask_login import LoginManager, login_required

from loadtests.orders import Orders
from loadtests.web.attach import serve
from loadtests.web.book import Book
from loadtests.web.page import Page, Station
from reports.gate import Gate

KEY = "a-key-of-32-characters-or-so-1234"


class FakeWeb:
    """What the page uses of locust's WebUI."""

    def __init__(self, host: str, *, login: bool) -> None:
        self.app = Flask(__name__)
        self.host = host
        self.web_login = login
        self.tls_cert = None
        self.template_args: dict[str, Any] = {}
        self.auth_args: dict[str, Any] = {}
        pages = Blueprint("locust", __name__)
        pages.add_url_rule("/login", "login", lambda: str(session.get("auth_error", "please log in")))
        pages.add_url_rule("/stats/requests", "request_stats", lambda: jsonify({"stats": []}))
        self.app.register_blueprint(pages)
        if login:
            self.login_manager = LoginManager()
            self.login_manager.init_app(self.app)
            self.login_manager.login_view = "locust.login"

    def auth_required_if_enabled(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return login_required(view)(*args, **kwargs) if self.web_login else view(*args, **kwargs)

        return wrapper


class FakeRunner:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, users: int, rate: float) -> None:
        self.told.append(f"start {users}")

    def stop(self) -> None:
        self.told.append("stop")


def orders_of(given: Any) -> Orders:
    rate = given.parsed_options.rate
    name = given.parsed_options.profile
    return Orders(
        target=given.host, profile=name, overrides={"rate": None if rate is None else float(rate), "duration": 1.0}
    )


def page_at(
    folder: Path,
    host: str = "127.0.0.1",
    *,
    login: bool = False,
    password: str = "",
    fixed: bool = False,
    search: Any = None,
) -> tuple[Page, Any, str]:
    """A page, a client of it, and the password that was made."""
    web = FakeWeb(host, login=login)
    options = Namespace(rate=None, profile="streaming", contract="azure-llama")
    environment = SimpleNamespace(
        web_ui=web, runner=FakeRunner(), parsed_options=options, host='http://x/"><b>', profile=None
    )
    field = {"help_text": "how <many>", "choices": None}
    station = Station(
        environment=environment,
        orders=orders_of,
        fields=lambda: {"rate": field, "contract": field, "burstiness": field},
        campaign=lambda: None,
        fixed=fixed,
        search=search,
    )
    page, made = serve(station, Book(folder, Gate(), (KEY,)), KEY, password)
    return page, web.app.test_client(), made
