"""The page of a load, in the browser that people use and under the real locust."""

from __future__ import annotations

import http.client
import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from benchmarks.pictures.browser import Browser, chromium
from reports.model import Run
from tests.loadtests.loopback import answer, serving, with_status
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
