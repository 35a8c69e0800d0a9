"""Runs load profiles under locust: its command line, its statistics and web page, its workers.

The only module that imports locust, because that patches the sockets of the whole process. Law: one stream is one entry
in locust's statistics, and only a complete stream has a response time there.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import gevent.event
from locust import User, constant, events, task
from locust.argument_parser import get_parser, ui_extra_args_dict
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.campaign import Campaign, Start
from loadtests.collect import Collector, Sample
from loadtests.fleet import Master, Worker
from loadtests.leader import Leader
from loadtests.limits.plans import LIMIT_PROFILES
from loadtests.member import Member
from loadtests.orders import Orders, targets
from loadtests.outcome import COULD_NOT_JUDGE, USAGE, exit_code, log_figures
from loadtests.plans import Plan
from loadtests.pool import Pool
from loadtests.profiles import BOUNDS, CHOICES, FILES, PROFILES, TEXTS, PlanError
from loadtests.proxies import chosen_proxy
from loadtests.run import Line
from loadtests.series import Series
from loadtests.streams import Reading, read_stream
from loadtests.target import Target, TargetError
from loadtests.web.watcher import Nobody, Watcher

KEY_VARIABLE = "SEATRIAL_API_KEY"

log = logging.getLogger("seatrial.load")


class StreamFailed(Exception):
    """A stream was not complete; the text is its outcome, so that locust counts equal ones together."""


class Driver:
    """One environment of locust: starts a campaign with each test and reports every stream of it."""

    def __init__(
        self,
        environment: Environment,
        orders: Callable[[Environment], Orders],
        key: Callable[[Environment], str],
        on_sample: Callable[[Sample], None] | None = None,
        line: Line | None = None,
    ) -> None:
        self.environment = environment
        self.campaign: Campaign | Series | Member | Leader | None = None
        self.over = gevent.event.Event()
        self.watcher: Watcher = Nobody()
        self._orders = orders
        self._key = key
        self._on_sample = on_sample
        self._line = line
        self._unreported: dict[str, Any] | None = None
        self._master: Master | None = None
        self._worker: Worker | None = None
        self._asked: tuple[Target, Pool] | None = None
        self._install()

    def _install(self) -> None:
        runner = self.environment.runner
        # Locust has no types for its hooks.
        hooks: Any = self.environment.events
        hooks.test_stopping.add_listener(self._stop)
        hooks.quitting.add_listener(self._quit)
        if isinstance(runner, WorkerRunner):
            # While users are being spawned, locust 2.47 stops a worker for a tenth of a second with each message.
            hooks.spawning_complete.add_listener(self._start_share)
            self._worker = Worker(runner, self._halt)
            hooks.report_to_master.add_listener(self._report)
        else:
            hooks.test_start.add_listener(self._start)
        if isinstance(runner, MasterRunner):
            self._master = Master(runner, self._all_reported)
            hooks.worker_report.add_listener(self._merge)
        _drivers[self.environment] = self

    def asked(self) -> tuple[Target, Pool]:
        """What a user asks, and over which connections; made once."""
        if self._asked is None:
            orders = self._own_orders()
            where = targets(orders, self._key(self.environment))
            try:
                pool = Pool(where.host, where.port, tls=where.tls, ca_file=orders.ca_file, proxy=where.proxy)
            except OSError as error:
                raise TargetError(f"the authorities in {orders.ca_file} cannot be read: {error}") from None
            self._asked = where, pool
        return self._asked

    def publish(self, reading: Reading, label: str, seconds: float | None) -> None:
        """Tell locust of one stream; `seconds` is how long it took and counts only where it was complete."""
        complete = reading.outcome == "ok" and seconds is not None
        hooks: Any = self.environment.events
        hooks.request.fire(
            request_type="STREAM",
            name=label,
            response_time=seconds * 1000 if complete and seconds is not None else None,
            response_length=reading.size,
            response=None,
            context={},
            exception=None if complete else StreamFailed(reading.outcome),
        )

    def _start(self, **_: Any) -> None:
        self.over.clear()
        self._asked = None
        if ScheduledUser not in self.environment.user_classes:
            # Somebody's own locustfile: its users do the sending.
            return
        try:
            if self._master is not None:
                orders = self._orders(self.environment)
                log.info("%s", replace(orders, workers=max(1, self._master.size)).plan())
                self.watcher.began(orders)
                self.campaign = self._master.begin(orders)
                return
            orders = self._own_orders()
            where, pool = self.asked()
            plan = orders.plan()
        except (PlanError, TargetError) as error:
            log.error("%s", error)  # noqa: TRY400 - the user's mistake, in one line
            self.watcher.refused(str(error))
            self._finish(USAGE)
            return
        log.info("%s", plan)
        self.watcher.began(orders)
        self.campaign = self._campaign(orders, plan, where, pool)
        gevent.spawn(self._run, self.campaign)

    def _campaign(self, orders: Orders, plan: Plan, where: Target, pool: Pool) -> Campaign | Series | Member:
        """What carries the orders out in this process."""
        index, workers = self._worker.share if self._worker else (orders.index, orders.workers)
        line = self._worker or self._line
        start = Start(orders.self_check, line.begin_at if line else None)
        if plan.profile.search and line is not None:
            share = (index, workers)
            return Member(plan, where, pool, share=share, channel=line, on_sample=self._sampled, start=start)
        if plan.profile.search:
            return Series(plan, where, pool, seed=orders.seed, on_sample=self._sampled, start=start)
        seed = orders.seed
        return Campaign(
            plan, where, pool, seed=seed, index=index, workers=workers, on_sample=self._sampled, start=start
        )

    def _start_share(self, **_: Any) -> None:
        # Spawning is complete again when somebody changes the number of users; the orders come once for each test.
        if self._worker is not None and self._worker.ordered:
            self._worker.ordered = False
            self._start()

    def _run(self, campaign: Campaign | Series | Member) -> None:
        try:
            campaign.run()
        finally:
            self._unreported = campaign.to_record()
            self.watcher.ended(self._unreported)
            if not isinstance(self.environment.runner, WorkerRunner):
                log_figures(campaign.collector, campaign.why_invalid(), self._unreported)
                self._finish(exit_code(campaign.collector, campaign.why_invalid()))

    def _finish(self, code: int) -> None:
        self.environment.process_exit_code = code
        self.over.set()
        runner = self.environment.runner
        if runner is not None:
            # Not from here: a greenlet of the runner would wait for its own end.
            gevent.spawn(runner.quit if self.environment.web_ui is None else runner.stop)

    def _stop(self, **_: Any) -> None:
        self._halt("stopped before its end")

    def _halt(self, reason: str) -> None:
        if self.campaign is not None and not self.over.is_set():
            self.campaign.stop(reason)

    def _own_orders(self) -> Orders:
        """What this process is to do: a worker is told by its master."""
        sent = self._worker.orders if self._worker else None
        return sent or self._orders(self.environment)

    def _quit(self, **_: Any) -> None:
        # Locust settles its exit code before it stops the test.
        if (self.campaign is not None or (self._master and self._master.under_way)) and not self.over.is_set():
            self.environment.process_exit_code = COULD_NOT_JUDGE

    def _sampled(self, one: Sample) -> None:
        seconds = None if one.t_sent is None or one.t_end is None else one.t_end - one.t_sent
        self.publish(one.reading, self.asked()[0].label, seconds)
        self.watcher.sampled(one)
        if self._on_sample is not None:
            self._on_sample(one)

    def _report(self, data: dict[str, Any], **_: Any) -> None:
        if self._unreported is not None:
            data["seatrial"], self._unreported = self._unreported, None

    def _merge(self, client_id: str, data: Mapping[str, Any], **_: Any) -> None:
        if self._master is not None:
            self._master.take(client_id, data.get("seatrial"))

    def _all_reported(self, record: dict[str, Any] | None, why_none: str) -> None:
        """The end of a run on several workers."""
        figures = Collector()
        if record is not None:
            figures.merge(record)
        self.watcher.ended(record, why_none)
        invalid = why_none if record is None else str(record["reason"])
        log_figures(figures, invalid, record)
        self._finish(exit_code(figures, invalid))


_drivers: WeakKeyDictionary[Environment, Driver] = WeakKeyDictionary()


class LlamaUser(User):
    """A user for locustfiles of one's own, in closed loop: `self.stream(...)` in a task sends one request."""

    abstract = True

    def stream(self, body: Mapping[str, Any], *, name: str = "", deadline: float = 60.0) -> Reading:
        """Send one request with that body, read its stream, and report it to locust."""
        driver = _drivers[self.environment]
        where, pool = driver.asked()
        reading = read_stream(pool, where.request(json.dumps(body).encode()), deadline=deadline)
        driver.publish(reading, name or where.label, (reading.end - reading.sent) / 1e9 if reading.sent else None)
        return reading


class ScheduledUser(User):
    """Stands for the open-loop schedule in locust's count of users: requests are sent by the clock, not by users."""

    wait_time = constant(1)

    @task
    def idle(self) -> None:
        """Do nothing: a user that waited for its answer would make an open loop a closed one."""


def _add_arguments(parser: Any, **_: Any) -> None:
    # The page can start a load, so it is for this machine unless somebody says otherwise, and then asks for a login.
    parser.set_defaults(web_host="127.0.0.1")
    # Newer locusts have an option of this name, for grouping runs: the same word then serves for both.
    with suppress(argparse.ArgumentError):
        parser.add_argument("--profile", default="streaming", help=f"load profile: {', '.join(PROFILES)}")
    for name in (*BOUNDS, *TEXTS, *CHOICES):
        # Numbers come as text from the page's form, so they are read when the orders are made.
        told = f"{_meaning(name)}, in place of the profile's"
        # Files of this machine are nothing for a form that others may reach.
        parser.add_argument(f"--{name.replace('_', '-')}", help=told, include_in_web_ui=name not in FILES)
    parser.add_argument("--run-log", help="folder for logs and reports of runs from the page", include_in_web_ui=False)
    parser.add_argument("--gate", help="gate of the page's reports, in place of gate.toml", include_in_web_ui=False)
    parser.add_argument("--contract", default="azure-llama", help="the contract that the endpoint keeps")
    parser.add_argument("--seed", type=int, default=0, help="decides prompts and random arrivals")
    parser.add_argument("--ca-file", help="authorities for https in place of the system's", include_in_web_ui=False)
    parser.add_argument(
        "--proxy", help="http://HOST:PORT, or env for what HTTPS_PROXY and the like say", include_in_web_ui=False
    )
    parser.add_argument(
        "--no-self-check", action="store_true", help="do not measure this machine's own error before the run"
    )
    parser.add_argument(
        "--key-env",
        default=KEY_VARIABLE,
        help="environment variable that has the endpoint's key",
        include_in_web_ui=False,
    )


def _on_init(environment: Environment, **_: Any) -> None:
    from loadtests.web.attach import watch  # noqa: PLC0415 - a run without a page needs none of it

    driver = Driver(environment, _orders_from_options, _key_from_environment)
    driver.watcher = watch(driver, form_orders, form_fields, _key_from_environment(environment), os.environ)


def _orders_from_options(environment: Environment) -> Orders:
    """What the command line or the form of the web page asks for, which sends every number as text."""
    options = environment.parsed_options
    profile = getattr(options, "profile", None) or "streaming"
    if profile in LIMIT_PROFILES:
        # It decides by each answer what to ask next, which no schedule of users does.
        raise PlanError(f"{profile} is no load for locust; run it with `seatrial load --profile {profile}`")
    try:
        numbers = {name: _number(getattr(options, name, None)) for name in BOUNDS}
        seed = int(options.seed or 0) if options is not None else 0
        proxy = chosen_proxy(getattr(options, "proxy", None), environment.host or "", os.environ)
    except ValueError as error:
        raise PlanError(str(error)) from None
    return Orders(
        target=environment.host or "",
        contract=getattr(options, "contract", None) or "azure-llama",
        profile=profile,
        overrides={**numbers, **{name: getattr(options, name, None) or None for name in (*TEXTS, *CHOICES)}},
        seed=seed,
        ca_file=getattr(options, "ca_file", None) or None,
        proxy=proxy,
        self_check=not getattr(options, "no_self_check", False),
    )


def _meaning(name: str) -> str:
    """What an option of a profile takes, in words."""
    if name in CHOICES:
        return " or ".join(CHOICES[name])
    return name.replace("_", " ") + (f", {BOUNDS[name][0]:g} to {BOUNDS[name][1]:g}" if name in BOUNDS else "")


def _number(given: Any) -> float | None:
    if given is None or given == "":
        return None
    return float(given)


def _key_from_environment(environment: Environment) -> str:
    return os.environ.get(getattr(environment.parsed_options, "key_env", None) or KEY_VARIABLE, "")


_hooks: Any = events
_hooks.init_command_line_parser.add_listener(_add_arguments)
_hooks.init.add_listener(_on_init)

# What a page makes of its form, and which options that form may have.
form_orders, form_fields = _orders_from_options, ui_extra_args_dict


def new_environment(target: str) -> Environment:
    """An environment for runs that a page begins, with the options that locust has when nobody gives any."""
    return Environment(user_classes=[ScheduledUser], host=target, parsed_options=get_parser().parse_args([]))


def headless(
    orders: Orders,
    key: str,
    on_sample: Callable[[Sample], None],
    on_start: Callable[[Any], None],
    line: Line | None = None,
) -> Campaign | Series | Member:
    """Run one profile in this process without locust's command line; returns the campaign when it is over.

    `line` leads to whoever shares the load out.

    Raises `PlanError` or `TargetError` before anything is sent.
    """
    environment = Environment(user_classes=[ScheduledUser], host=orders.target)
    runner = environment.create_local_runner()
    driver = Driver(environment, lambda _: orders, lambda _: key, on_sample, line)
    orders.plan()
    driver.asked()
    runner.start(1, spawn_rate=1)
    while driver.campaign is None and not driver.over.wait(0.005):
        pass
    if driver.campaign is None:
        raise PlanError("the run could not be started")
    on_start(driver.campaign)
    driver.over.wait()
    assert not isinstance(driver.campaign, Leader)
    return driver.campaign
