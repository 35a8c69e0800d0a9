from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadtests.collect import Collector
from loadtests.orders import Orders
from loadtests.web.attach import WebError
from loadtests.web.login import Tries
from loadtests.web.page import Page
from reports.model import Run
from tests.loadtests.made import sample
from tests.loadtests.web.fakes import KEY, page_at
from tests.loadtests.web.test_verdict import RECORD as LIMIT

ORDERS = Orders(target="http://127.0.0.1:1", overrides={"rate": 5.0, "duration": 1.0})
NASTY = f"<script>alert(1)</script> \u202e {KEY}"


def failing() -> object:
    one = sample(outcome="5xx")
    return replace(one, reading=replace(one.reading, detail=NASTY))


def run_on(page: Page, reason: str = "") -> None:
    """A run of two requests, one of which failed."""
    collector = Collector()
    page.began(ORDERS)
    for one in (sample(), failing()):
        page.sampled(one)  # type: ignore[arg-type]
        collector.add(one)  # type: ignore[arg-type]
    record = {
        "type": "load",
        "profile": "streaming",
        "plan": ORDERS.plan().to_record(),
        **collector.to_record(),
        "seconds": 1.0,
        "valid": not reason,
        "reason": reason,
        "rate": {"planned": 5.0, "achieved": 5.0},
    }
    page.ended(record)
    page.book.join()


def test_the_form_offers_profiles_and_options_and_escapes_what_it_shows(tmp_path: Path) -> None:
    _, client, _ = page_at(tmp_path)
    answer = client.get("/seatrial")
    text = answer.get_data(as_text=True)
    assert '<option value="streaming" selected>' in text
    assert 'name="rate"' in text
    assert 'name="contract"' in text
    assert '"><b>' not in text
    assert "how &lt;many&gt;" in text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    # Nothing is fetched from elsewhere, and nothing runs that is written into the page.
    assert "https://" not in text.replace("https://…", "")
    assert text.count("<script") == 1
    assert "style=" not in text


def test_settings_that_few_need_are_behind_a_click_unless_they_were_given(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path)
    text = client.get("/seatrial").get_data(as_text=True)
    first, _, more = text.partition("<details>")
    assert 'name="rate"' in first
    assert 'name="burstiness"' in more
    page.station.environment.parsed_options.burstiness = "2"
    assert "<details open>" in client.get("/seatrial").get_data(as_text=True)


def test_a_plan_is_shown_before_anything_is_sent(tmp_path: Path) -> None:
    _, client, _ = page_at(tmp_path)
    assert "5 at 5 per second" in client.post("/seatrial/plan", data={"rate": "5"}).json["plan"]
    refused = client.post("/seatrial/plan", data={"rate": "-3"})
    assert (refused.status_code, "rate" in refused.json["error"]) == (400, True)


def test_start_takes_what_the_form_has(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path)
    environment = page.station.environment
    assert client.post("/seatrial/start", data={"rate": "0"}).status_code == 400
    assert client.post("/seatrial/start", data={"host": ""}).status_code == 400
    begun = client.post("/seatrial/start", data={"rate": "7", "host": "http://127.0.0.1:9", "unknown": "x"})
    assert begun.status_code == 200
    assert (environment.parsed_options.rate, environment.host) == ("7", "http://127.0.0.1:9")
    assert not hasattr(environment.parsed_options, "unknown")
    page.began(ORDERS)
    assert client.post("/seatrial/start", data={}).status_code == 409


def test_a_fixed_target_cannot_be_changed_by_a_form(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path, fixed=True)
    before = page.station.environment.host
    assert 'name="host"' not in client.get("/seatrial").get_data(as_text=True)
    assert client.post("/seatrial/start", data={"host": "http://evil.example", "contract": "openai"}).status_code == 200
    assert page.station.environment.host == before
    assert page.station.environment.parsed_options.contract == "azure-llama"


def test_what_an_endpoint_said_comes_as_data_and_without_the_key(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path)
    run_on(page)
    answer = client.get("/seatrial/live")
    assert answer.mimetype == "application/json"
    told = answer.json["totals"]["examples"]["5xx"][0]
    assert told.startswith("<script>")
    assert "\u202e" not in told
    assert KEY not in answer.get_data(as_text=True)
    report = client.get("/seatrial/report")
    assert "script-src" not in report.headers["Content-Security-Policy"]
    assert "default-src 'none'" in report.headers["Content-Security-Policy"]
    assert "<script" not in report.get_data(as_text=True)
    assert KEY not in report.get_data(as_text=True)
    assert "<script" not in client.get("/seatrial/seconds.csv").get_data(as_text=True)


def test_the_report_is_of_the_last_runs_own_log(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path)
    assert client.get("/seatrial/report").status_code == 404
    assert client.get("/seatrial/live").json["report"] is False
    run_on(page)
    assert client.get("/seatrial/live").json["report"] is True
    run_on(page, reason="the load generator was late")
    assert "the load generator was late" in client.get("/seatrial/report").get_data(as_text=True)
    assert client.get("/seatrial/live").json["invalid"] == "the load generator was late"
    logs = sorted(tmp_path.glob("*.jsonl"))
    assert len(logs) == 2
    run = Run.read(logs[0], samples=True)
    assert (run.complete, run.sample_count, len(run.loads)) == (True, 2, 1)
    assert KEY not in logs[0].read_text()


def test_a_run_that_came_to_nothing_is_said(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path)
    page.refused("rate is a number")
    assert client.get("/seatrial/live").json["refusal"] == "rate is a number"
    page.began(ORDERS)
    page.ended(None, "a worker was lost")
    page.book.join()
    shown = client.get("/seatrial/live").json
    assert (shown["state"], shown["invalid"], shown["refusal"]) == ("ended", "a worker was lost", "")


def test_a_log_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path / "missing")
    run_on(page)
    shown = client.get("/seatrial/live").json
    assert "cannot make the log" in shown["book"]
    assert (shown["state"], shown["report"]) == ("ended", False)


def test_locusts_page_gets_a_table_and_the_profiles(tmp_path: Path) -> None:
    page, client, _ = page_at(tmp_path)
    run_on(page)
    found = client.get("/stats/requests").json["extended_stats"]
    assert [row["name"] for row in found[0]["data"]][:1] == ["ttft"]
    assert found[0]["data"][0]["count"] == 1
    assert "streaming" in page.station.environment.web_ui.template_args["all_profiles"]
    assert page.station.environment.profile == "streaming"
    assert "extended_stats" not in client.get("/seatrial/live").json


def test_a_page_that_others_can_reach_needs_a_login(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "", "192.0.2.1"):
        with pytest.raises(WebError, match="needs a login"):
            page_at(tmp_path, host)
    _, _, made = page_at(tmp_path, "0.0.0.0", login=True)
    assert len(made) >= 16
    assert page_at(tmp_path, login=True, password="long-enough")[2] == ""
    with pytest.raises(WebError, match="8 characters"):
        page_at(tmp_path, login=True, password="short")


@pytest.mark.parametrize(
    "path", ["/seatrial", "/seatrial/live", "/seatrial/report", "/seatrial/seconds.csv", "/seatrial/page.js"]
)
def test_nothing_is_shown_before_the_login(tmp_path: Path, path: str) -> None:
    _, client, _ = page_at(tmp_path, login=True)
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login")


def test_the_login_takes_the_password_and_nothing_else(tmp_path: Path) -> None:
    _, client, made = page_at(tmp_path, "0.0.0.0", login=True)
    wrong = [{}, {"username": "seatrial"}, {"username": "seatrial", "password": made + "x"}, {"password": made}]
    for form in wrong:
        assert client.post("/seatrial/login", data=form).headers["Location"] == "/login"
        assert client.get("/seatrial/live").status_code == 302
    assert client.post("/seatrial/start").status_code == 302
    right = client.post("/seatrial/login", data={"username": "seatrial", "password": made})
    assert right.headers["Location"] == "/seatrial"
    cookie = right.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert made not in cookie
    assert client.get("/seatrial/live").status_code == 200
    assert "Log out" in client.get("/seatrial").get_data(as_text=True)
    assert made not in client.get("/seatrial").get_data(as_text=True)
    client.post("/seatrial/logout")
    assert client.get("/seatrial/live").status_code == 302


def test_passwords_cannot_be_tried_by_the_thousand(tmp_path: Path) -> None:
    _, client, made = page_at(tmp_path, login=True)
    for number in range(5):
        client.post("/seatrial/login", data={"username": "seatrial", "password": f"{number}"})
    client.post("/seatrial/login", data={"username": "seatrial", "password": made})
    assert client.get("/seatrial/live").status_code == 302
    assert "too many" in client.get("/login").get_data(as_text=True)


def test_a_wrong_password_is_forgotten_after_a_minute() -> None:
    now = [0.0]
    tries = Tries(lambda: now[0])
    for _ in range(5):
        assert not tries.too_many()
        tries.wrong()
    assert tries.too_many()
    now[0] = 61.0
    assert not tries.too_many()


def test_a_search_for_a_limit_shows_its_progress_and_its_verdict(tmp_path: Path) -> None:
    asked: list[str] = []
    shown: list[Any] = []

    def search(orders: Orders, put: Any, stopped: Any) -> None:
        asked.append(orders.profile)
        put({"type": "progress", "sent": 5, "done": 4, "planned": 70, "counts": {"ok": 4}})
        put({"type": "progress", "sent": 7, "done": 6, "planned": 70, "counts": {"ok": 5, "429": 1}})
        shown.append(client.get("/seatrial/live").json)
        page.station.environment.web_ui.app.test_client().post("/seatrial/stop")
        asked.append(stopped())
        put(LIMIT)

    page, client, _ = page_at(tmp_path, search=search)
    assert "request-limit" in client.get("/seatrial").get_data(as_text=True)
    assert client.post("/seatrial/start", data={"profile": "request-limit", "host": "http://127.0.0.1:1"}).json["plan"]
    gevent.sleep(0.01)
    page.book.join()
    assert asked == ["request-limit", "stopped before its end"]
    assert (shown[0]["state"], shown[0]["progress"]["done"], shown[0]["verdict"]) == ("running", 6, [])
    assert "counts" not in shown[0]["progress"]
    assert shown[0]["totals"]["counts"] == {"429": 1, "ok": 5}
    ended = client.get("/seatrial/live").json
    assert (ended["state"], ended["report"], ended["book"]) == ("ended", True, "")
    assert ended["totals"]["counts"] == {"429": 60, "ok": 600}
    assert ended["verdict"][0].startswith("limit: 598 to 601 ")
    assert "598 to 601" in client.get("/seatrial/report").get_data(as_text=True)
    # A page that cannot carry it out offers none.
    assert "request-limit" not in page_at(tmp_path)[1].get("/seatrial").get_data(as_text=True)
