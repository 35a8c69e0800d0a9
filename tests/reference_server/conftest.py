"""One conformant server for the tests that ask it questions over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from reference_server.serve import StandinApp, serving, standin_app
from schemas.contracts import get
from schemas.model import Contract

KEY = "key-of-the-tests"


@pytest.fixture(scope="session")
def contract() -> Contract:
    return get("azure-llama")


@pytest.fixture(scope="module")
def app(contract: Contract) -> StandinApp:
    return standin_app(contract, key=KEY, limits=None)


@pytest.fixture(scope="module")
def url(app: StandinApp) -> Iterator[str]:
    with serving(app) as server:
        yield server.url


@pytest.fixture(scope="session")
def transport() -> Iterator[httpx.HTTPTransport]:
    # The TLS context is what makes a client slow to build.
    with httpx.HTTPTransport(verify=False) as shared:
        yield shared


@pytest.fixture
def client(url: str, transport: httpx.HTTPTransport) -> httpx.Client:
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=url, headers=headers, transport=transport, trust_env=False, timeout=10)
