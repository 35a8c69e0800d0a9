"""A load run as a process of its own: orders as JSON on stdin, records as JSON lines on stdout, remarks on stderr.

One that shares its load with others says when it is ready and is told on stdin when to begin.

Law: the key comes in the environment and goes to the endpoint only. Whatever ends the run, its record is written.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

KEY_VARIABLE = "SEATRIAL_API_KEY"
PLACEHOLDER = "$SEATRIAL_API_KEY"
PROGRESS_SECONDS = 0.5
USAGE, COULD_NOT_JUDGE = 2, 3

_MOST_ORDERS = 1 << 20


class Outbox:
    """Writes records to a pipe from another thread, so that a slow reader never delays a request.

    `gone` is set when nobody reads any more: then there is nobody to spend tokens for.
    """

    def __init__(self, descriptor: int, key: str, *others: str) -> None:
        import gevent.event  # noqa: PLC0415 - after the patching

        self._descriptor = descriptor
        # As they stand in JSON; an endpoint or a proxy may have echoed them in an error.
        self._secrets = [(json.dumps(secret)[1:-1], PLACEHOLDER) for secret in (key,) if secret]
        self._secrets += [(json.dumps(secret)[1:-1], "$PROXY") for secret in others if secret]
        self._lines: deque[bytes] = deque()
        self._news = gevent.event.Event()
        self._closing = False
        self.gone = gevent.event.Event()
        self._writer = gevent.spawn(self._write)

    def put(self, record: dict[str, Any]) -> None:
        """Have a record written as one line, in the order of the calls."""
        line = json.dumps(record)
        for secret, shown in self._secrets:
            line = line.replace(secret, shown)
        self._lines.append(line.encode() + b"\n")
        self._news.set()

    def close(self) -> None:
        """Wait until everything is written, for ten seconds at most."""
        self._closing = True
        self._news.set()
        self._writer.join(timeout=10)

    def _write(self) -> None:
        import gevent.os  # noqa: PLC0415 - after the patching

        while True:
            self._news.wait()
            self._news.clear()
            data = b"".join(self._lines)
            self._lines.clear()
            try:
                while data:
                    data = data[gevent.os.tp_write(self._descriptor, data) :]
            except OSError:
                self.gone.set()
                return
            if self._closing and not self._lines:
                return


def main() -> int:
    """Do what the orders on stdin say; returns 0 for a valid run, 3 for an invalid one, 2 for wrong orders."""
    from gevent import monkey  # noqa: PLC0415 - patching comes before everything that opens sockets

    monkey.patch_all()
    import gevent  # noqa: PLC0415
    import gevent.event  # noqa: PLC0415

    interrupted = gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, interrupted.set)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    key, password = os.environ.pop(KEY_VARIABLE, ""), os.environ.pop("SEATRIAL_WEB_PASSWORD", "")

    from loadtests.orders import Orders  # noqa: PLC0415
    from loadtests.profiles import PlanError  # noqa: PLC0415
    from loadtests.target import TargetError  # noqa: PLC0415

    try:
        given = json.loads(sys.stdin.buffer.readline(_MOST_ORDERS))
        web = given.pop("web", None) if isinstance(given, dict) else None
        orders = Orders.from_json(given)
        return _perform(orders, key, interrupted) if web is None else _serve(orders, web, (key, password), interrupted)
    except (PlanError, TargetError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE


def _perform(orders: Any, key: str, interrupted: Any) -> int:
    """Run the campaign and write its records."""
    import gevent  # noqa: PLC0415

    from loadtests.limits.plans import LimitPlan  # noqa: PLC0415

    plan = orders.plan()
    if isinstance(plan, LimitPlan):
        return _search(orders, plan, key, interrupted)
    from loadtests.users import headless  # noqa: PLC0415 - imports locust

    outbox = _outbox(orders, key)
    helpers = []

    def started(campaign: Any) -> None:
        def stop_when_told() -> None:
            gevent.wait([interrupted, outbox.gone], count=1)
            campaign.stop("interrupted" if interrupted.is_set() else "nobody reads the records")

        def tell_progress() -> None:
            while True:
                outbox.put({"type": "progress", **asdict(campaign.progress())})
                gevent.sleep(PROGRESS_SECONDS)

        helpers.extend([gevent.spawn(stop_when_told), gevent.spawn(tell_progress)])

    line = Line(outbox) if orders.workers > 1 else None
    try:
        campaign = headless(
            orders,
            key,
            lambda one: outbox.put(one.to_record()),
            started,
            line,
        )
    finally:
        gevent.killall(helpers)
    outbox.put({"type": "progress", **asdict(campaign.progress())})
    if (record := campaign.to_record()) is not None:
        outbox.put(record)
    outbox.close()
    return COULD_NOT_JUDGE if campaign.why_invalid() else 0


def _serve(orders: Any, web: Any, secrets: tuple[str, str], interrupted: Any) -> int:
    """Serve a page that begins runs, and write their records."""
    import gevent  # noqa: PLC0415
    import gevent.event  # noqa: PLC0415

    from loadtests.web.serving import WebOrders, run_with_page  # noqa: PLC0415 - imports locust

    key, password = secrets
    outbox = _outbox(orders, key)
    ended = gevent.event.Event()

    def end_when_told() -> None:
        gevent.wait([interrupted, outbox.gone], count=1)
        ended.set()

    waiting = gevent.spawn(end_when_told)
    try:
        return run_with_page(orders, WebOrders.from_json(web), key, password, outbox.put, ended)
    finally:
        waiting.kill()
        outbox.close()


class Line:
    """The way from a process that shares a load to its parent, by its records, and back, by its stdin."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._data = b""

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the leader of a search."""
        self._outbox.put({"type": "member", "said": dict(message)})

    def hear(self) -> Mapping[str, Any] | None:
        """The next message; None when nobody is left to send one."""
        import gevent.os  # noqa: PLC0415

        descriptor = sys.stdin.fileno()
        gevent.os.make_nonblocking(descriptor)
        while b"\n" not in self._data:
            more = gevent.os.nb_read(descriptor, 1 << 16)
            if not more:
                return None
            self._data += more
        line, _, self._data = self._data.partition(b"\n")
        message = json.loads(line)
        return message if isinstance(message, dict) else None

    def begin_at(self) -> int:
        """Say that this process is ready, and wait for the moment (ns) at which all begin; 0: never."""
        self._outbox.put({"type": "ready"})
        return int((self.hear() or {"epoch": 0})["epoch"])


def _outbox(orders: Any, key: str) -> Outbox:
    """Where the records of a run go, without the secrets that it was given."""
    from loadtests.proxies import proxy_of  # noqa: PLC0415

    return Outbox(sys.stdout.fileno(), key, *(proxy_of(orders.proxy).secrets if orders.proxy else ()))


def _search(orders: Any, plan: Any, key: str, interrupted: Any) -> int:
    """Search for a limit and write its records."""
    from loadtests.limits.process import search  # noqa: PLC0415

    outbox = _outbox(orders, key)

    def stopped() -> str:
        if interrupted.is_set():
            return "interrupted"
        return "nobody reads the records" if outbox.gone.is_set() else ""

    try:
        valid = search(orders, plan, key, outbox.put, stopped)
    finally:
        outbox.close()
    return 0 if valid else COULD_NOT_JUDGE


if __name__ == "__main__":
    sys.exit(main())
