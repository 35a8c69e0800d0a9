"""The page of a load, in the browser that people use and under the real locust."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import signal
import socket
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from benchmarks.pictures.browser import Browser, chromium
from reports.model import Run
from tests.loadtests.loopback import answer, serving, stream_of, with_status
from tests.seatrial.conftest import Command
from tests.seatrial.processes import ROOT, Process, process, seatrial
from tests.seatrial.servers import KEY, closed_port

needs_chromium = pytest.mark.skipif(chromium() is None, reason="there is no chromium here")
WORDS = ("--max-tokens", "6", "--no-self-check", "--log", "run.jsonl", "--web", "--web-port", "0")


@contextmanager
def page_of(url: str, folder: Path, *words: str) -> Iterator[tuple[Process, str]]:
    """`seatrial load URL --web` as a process, and where its page is."""
    with seatrial("load", url, *WORDS, *words, folder=folder) as running:
        running.until("the page is at")
        found = re.search(r"http://\S+", next(line for line in running.err if "the page is at" in line))
        assert found is not None
        yield running, found[0]


def ended_with(running: Process, code: int) -> bool:
    """Whether that is the exit code, or the machine was too busy for valid figures and the run said so."""
    return running.end() == code or (running.end() == 3 and "the load generator" in running.said)


@needs_chromium
def test_a_run_is_begun_watched_and_reported_in_the_page(server: str, tmp_path: Path) -> None:
    with page_of(server, tmp_path, "--rate", "20", "--duration", "60") as (running, url), Browser() as browser:
        browser.open(url)
        browser.wait("document.querySelector('#plan').textContent.includes('1,200 at 20 per second')")
        browser.run("document.querySelector('[name=duration]').value = '2.5'")
        browser.run("document.querySelector('form').dispatchEvent(new Event('change', {bubbles: true}))")
        browser.wait("document.querySelector('#plan').textContent.includes('50 at 20 per second')")
        browser.run("document.querySelector('#start').click()")
        browser.wait("document.querySelector('#tiles').textContent.includes('running')")
        assert not (tmp_path / "run.html").exists()
        for chart in ("ttft", "itl", "answers", "good"):
            browser.wait(f"document.querySelector('#{chart} path.line') !== null")
        assert "p99" in browser.run("document.querySelector('#ttft').getAttribute('aria-label')")
        assert browser.run("document.querySelector('#reported').hidden")
        browser.wait("document.querySelector('#tiles').textContent.includes('ended')")
        browser.wait("!document.querySelector('#reported').hidden")
        assert re.search(r"TTFT50\d", browser.run("document.querySelector('#latencies').textContent").replace(" ", ""))
        assert browser.complaints == []
        browser.open(browser.run("document.querySelector('#report').href"))
        assert "Load: streaming" in browser.run("document.body.innerText")
        assert browser.complaints == []
        # Locust's own page has a table of ours under a tab.
        browser.open(url.removesuffix("seatrial") + "?tab=seatrial")
        browser.wait("document.body.innerText.includes('ttft_intended')")
        running.signal(signal.SIGINT)
        assert ended_with(running, 0), running.said
    run = Run.read(tmp_path / "run.jsonl", samples=True)
    assert (run.complete, len(run.loads), run.sample_count) == (True, 1, 50)
    assert run.loads[0].plan["duration"] == 2.5
    assert (tmp_path / "run.html").exists()
    assert KEY not in running.said + (tmp_path / "run.jsonl").read_text()


class Quota:
    """A server that lets so many requests pass in any second, and answers 429 beyond."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._passed: deque[float] = deque()
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        now = time.monotonic()
        with self._lock:
            while self._passed and self._passed[0] <= now - 1:
                self._passed.popleft()
            passes = len(self._passed) < self._most
            if passes:
                self._passed.append(now)
        body = json.dumps({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}).encode()
        connection.sendall(with_status(200, body=body) if passes else with_status(429, b"Retry-After: 1\r\n"))


def begun(browser: Browser, **fields: str) -> None:
    """Fill the form in and press the button."""
    for name, value in fields.items():
        browser.run(f"document.querySelector('[name={name}]').value = {json.dumps(value)}")
    browser.run("document.querySelector('form').dispatchEvent(new Event('change', {bubbles: true}))")
    browser.run("document.querySelector('#start').click()")


@needs_chromium
def test_a_search_for_a_capacity_is_begun_in_the_page_and_its_verdict_is_there(tmp_path: Path) -> None:
    least = {"rate": "20", "rate_most": "20", "share": "0.5", "duration": "0.1", "goodput": "ttft:400"}
    with (
        serving(answer(stream_of(3))) as server,
        page_of(server.url, tmp_path, "--profile", "capacity", "--warmup", "0") as (running, url),
        Browser() as browser,
    ):
        browser.open(url)
        begun(browser, profile="capacity", resolution="1", **least)
        browser.wait("document.querySelector('#tiles').textContent.includes('running')")
        browser.wait("document.querySelector('#good path.line') !== null")
        browser.wait("!document.querySelector('#reported').hidden")
        told = browser.run("document.querySelector('#verdict').innerText + document.querySelector('#notice').innerText")
        assert "at least 20 requests per second" in told or "the load generator" in told
        assert browser.run("document.querySelector('#tiles').textContent.includes('goodput')")
        browser.open(browser.run("document.querySelector('#report').href"))
        assert "Load: capacity" in browser.run("document.body.innerText")
        assert browser.complaints == []
        running.signal(signal.SIGINT)
        assert ended_with(running, 0), running.said


@needs_chromium
def test_a_search_for_a_limit_is_begun_in_locusts_page_and_its_verdict_is_there(tmp_path: Path) -> None:
    with (
        serving(Quota(10)) as server,
        locust_page(tmp_path, "--host", server.url) as (_, url),
        Browser() as browser,
    ):
        browser.open(f"{url}/seatrial")
        begun(browser, profile="request-limit", rate="40", duration="6")
        browser.wait("document.querySelector('#outcomes').textContent.includes('429')")
        browser.wait("document.querySelector('#answers path.line.warn') !== null")
        browser.wait("!document.querySelector('#reported').hidden")
        assert "limit:" in browser.run("document.querySelector('#verdict').innerText")
        sent = browser.run("document.querySelector('#outcomes').innerText")
        browser.open(browser.run("document.querySelector('#report').href"))
        assert "Limit: request-limit" in browser.run("document.body.innerText")
        assert browser.complaints == []
    record = Run.read(next((tmp_path / "logs").glob("*.jsonl"))).limits[0]
    assert sum(record.counts.values()) == len(server.requests)
    assert all(str(count) in sent for count in record.counts.values())


@contextmanager
def locust_page(folder: Path, *words: str) -> Iterator[tuple[Process, str]]:
    """Locust by its own command line with its page, and where that is."""
    port = closed_port()
    url = f"http://127.0.0.1:{port}"
    file = str(ROOT / "loadtests" / "locustfile.py")
    told = ("-m", "locust", "-f", file, "--web-port", str(port), "--run-log", "logs", "--no-self-check", *words)
    with process(*told, folder=folder) as running:
        running.until("beside locust's")
        asked_again(running, url, "/seatrial/live")
        try:
            yield running, url
        finally:
            # Killed, it would leave its workers behind.
            running.signal(signal.SIGINT)
            running.end()


@contextmanager
def workers(url: str, folder: Path, how: str) -> Iterator[str]:
    """Locust with two workers, which are its own children or were started by somebody; where the page is."""
    if how == "processes":
        with locust_page(folder, "--host", url, "--processes", "2") as (_, page):
            yield page
        return
    port = str(closed_port())
    file = str(ROOT / "loadtests" / "locustfile.py")
    told = ("-m", "locust", "-f", file, "--worker", "--master-host", "127.0.0.1", "--master-port", port)
    bound = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    with (
        locust_page(folder, "--host", url, *bound) as (_, page),
        process(*told, folder=folder),
        process(*told, folder=folder),
    ):
        yield page


def shown(page: str) -> dict[str, Any]:
    """What the page is fed with."""
    with urllib.request.urlopen(f"{page}/seatrial/live", timeout=30) as told:
        return dict(json.loads(told.read()))


def until(holds: Callable[[], bool]) -> None:
    """Wait until that is so, for a minute at most."""
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


@pytest.mark.parametrize("how", ["processes", "master and workers"])
def test_the_page_of_a_master_has_what_its_workers_measured(tmp_path: Path, how: str) -> None:
    turns = itertools.count()

    def script(connection: socket.socket, request: bytes) -> None:
        connection.sendall(with_status(429) if next(turns) % 4 == 3 else stream_of(4))

    with serving(script) as server, workers(server.url, tmp_path, how) as page:
        until(lambda: len(json.loads(_read(f"{page}/stats/requests"))["workers"]) == 2)
        form = {
            "profile": "streaming", "rate": "20", "duration": "4", "warmup": "0", "max_tokens": "4",
            "goodput": "ttft:5000",
        }  # fmt: skip
        assert asked(page, "/seatrial/start", form)[0] == 200
        until(lambda: 0 < shown(page)["progress"]["done"] < 80)
        assert shown(page)["state"] == "running"
        until(lambda: bool(shown(page)["report"]))
        live = shown(page)
    totals = live["totals"]
    # Every request of both workers, once.
    assert totals["counts"] == {"429": 20, "ok": 60}
    assert (totals["good"], totals["tokens"]) == (60, 240)
    assert {name: row["count"] for name, row in totals["latencies"].items()} == {
        "ttft": 60, "ttft_intended": 60, "itl": 180, "tpot": 60, "e2e": 60,
    }  # fmt: skip
    assert sum(point["ok"] for point in live["points"]) == 60
    assert sum(point["limited"] for point in live["points"]) == 20
    assert (live["state"], live["progress"]["done"], live["progress"]["planned"]) == ("ended", 80, 80)
    load = Run.read(next((tmp_path / "logs").glob("*.jsonl"))).loads[0]
    assert load.counts == {"429": 20, "ok": 60}


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as told:
        return bytes(told.read())


@needs_chromium
def test_nothing_that_an_endpoint_says_becomes_markup(tmp_path: Path) -> None:
    nasty = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    body = json.dumps({"error": {"message": nasty}}).encode()
    with (
        serving(answer(with_status(503, body=body))) as server,
        page_of(server.url, tmp_path, "--rate", "20", "--duration", "0.5") as (running, url),
        Browser() as browser,
    ):
        browser.open(url)
        browser.run("document.querySelector('#start').click()")
        browser.wait("!document.querySelector('#reported').hidden")
        assert "<script>window.hacked" in browser.run("document.querySelector('#outcomes').textContent")
        browser.open(browser.run("document.querySelector('#report').href"))
        assert "<script>window.hacked" in browser.run("document.body.innerText")
        assert browser.run("window.hacked === undefined && document.images.length === 0")
        running.signal(signal.SIGINT)
        assert ended_with(running, 1) or running.popen.returncode == 3


def test_a_page_that_is_left_in_the_middle_of_a_run_leaves_its_log(server: str, tmp_path: Path) -> None:
    with page_of(server, tmp_path, "--rate", "20", "--duration", "60") as (running, url):
        assert asked(url, "/seatrial/start", {})[0] == 200
        running._until(lambda: '"type":"sample"' in (tmp_path / "run.jsonl").read_text())
        running.signal(signal.SIGINT)
        assert running.end() == 3
    run = Run.read(tmp_path / "run.jsonl")
    assert run.end is not None
    assert run.end.status == "interrupted"
    assert [load.reason for load in run.loads] == ["interrupted"]
    assert "Traceback" not in running.said


def test_a_page_in_which_nothing_was_begun_is_no_judgement(tmp_path: Path) -> None:
    with page_of("http://127.0.0.1:1", tmp_path) as (running, url):
        # Another site that somebody has open cannot begin anything here.
        assert asked(url, "/seatrial/start", {}, Origin="https://evil.example")[0] == 403
        running.signal(signal.SIGINT)
        assert running.end() == 3
    assert "no run was begun" in running.said
    assert "Traceback" not in running.said
    assert Run.read(tmp_path / "run.jsonl").end is not None


def test_a_password_is_made_and_shown_once(tmp_path: Path) -> None:
    with page_of("http://127.0.0.1:1", tmp_path, "--web-login") as (running, url):
        running.until("the password")
        password = running.said.split("the password ")[1].split()[0]
        assert asked(url, "/seatrial/live")[0] == 302
        status, headers = asked(url, "/seatrial/login", {"username": "seatrial", "password": password})
        assert (status, headers["Location"]) == (302, "/seatrial")
        assert asked(url, "/seatrial/live", Cookie=headers["Set-Cookie"].split(";")[0])[0] == 200
        running.signal(signal.SIGINT)
        running.end()
    assert running.said.count(password) == 1
    assert all(password not in path.read_text() for path in tmp_path.iterdir())


def test_a_page_for_others_without_a_login_is_refused(seatrial: Command, tmp_path: Path) -> None:
    for words in (("--web-host", "0.0.0.0"), ("--processes", "2")):
        result = seatrial("load", "http://127.0.0.1:1", "--web", *words)
        assert result.code == 2
        assert "login" in result.line or "--web" in result.line
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_served_is_one_line(seatrial: Command, server: str) -> None:
    taken = server.rsplit(":", 1)[1]
    result = seatrial("load", "http://127.0.0.1:1", "--web", "--web-port", taken, "--log", "run.jsonl")
    assert result.code == 2
    assert "--web-port" in result.err
    assert "Traceback" not in result.err


def test_locust_refuses_a_page_for_others_without_a_login(tmp_path: Path) -> None:
    file = str(ROOT / "loadtests" / "locustfile.py")
    with process("-m", "locust", "-f", file, "--web-host", "0.0.0.0", folder=tmp_path) as running:
        assert running.end() == 2
    assert "needs a login" in running.said
    assert "Traceback" not in running.said


def test_locusts_own_command_line_has_the_page_and_its_login(server: str, tmp_path: Path) -> None:
    port = closed_port()
    url = f"http://127.0.0.1:{port}"
    file = str(ROOT / "loadtests" / "locustfile.py")
    words = ("-m", "locust", "-f", file, "--host", server, "--web-port", str(port), "--web-login", "--run-log", "logs")
    with process(*words, "--no-self-check", folder=tmp_path, SEATRIAL_WEB_PASSWORD="a-good-one") as running:
        running.until("beside locust's")
        status, headers = asked_again(running, url, "/")
        assert (status, headers["Location"].split("?")[0]) == (302, "/login")
        assert asked(url, "/login")[0] == 200
        assert asked(url, "/seatrial/login", {"username": "seatrial", "password": "wrong"})[1]["Location"] == "/login"
        right = asked(url, "/seatrial/login", {"username": "seatrial", "password": "a-good-one"})[1]
        cookie = right["Set-Cookie"].split(";")[0]
        assert "Access-Control-Allow-Origin" not in asked(url, "/", Cookie=cookie)[1]
        form = {"rate": "20", "duration": "0.5", "max_tokens": "4", "profile": "streaming"}
        assert asked(url, "/seatrial/start", form, Cookie=cookie)[0] == 200
        running.until_written(tmp_path / "logs")
        running._until(lambda: any((tmp_path / "logs").glob("*.html")))
        assert asked(url, "/seatrial/report", Cookie=cookie)[0] == 200
        running.signal(signal.SIGINT)
        running.end()
    assert "a-good-one" not in running.said
    run = Run.read(next((tmp_path / "logs").glob("*.jsonl")))
    assert (run.complete, run.sample_count) == (True, 10)


def asked(url: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of one answer; redirections are not followed."""
    host = url.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        body = None if form is None else urlencode(form)
        connection.request("GET" if form is None else "POST", path, body, {**kind, **headers})
        response = connection.getresponse()
        response.read()
        return response.status, dict(response.getheaders())
    finally:
        connection.close()


def asked_again(running: Process, url: str, path: str) -> tuple[int, dict[str, str]]:
    """The same as soon as the server listens, which it does a moment after it says so."""
    found: list[tuple[int, dict[str, str]]] = []

    def answers() -> bool:
        try:
            found.append(asked(url, path))
        except ConnectionError:
            return False
        return True

    running._until(answers)
    return found[0]
