"""A search for a limit inside the load process: from orders to the log's `limit` record."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent

from loadtests.limits.asking import Asker
from loadtests.limits.charging import judged_tokens, price_of
from loadtests.limits.finding import finding, tally
from loadtests.limits.observed import Asked, one_each
from loadtests.limits.opinion import judged
from loadtests.limits.plans import LimitPlan
from loadtests.limits.prober import Prober
from loadtests.orders import Orders
from loadtests.pool import Pool
from loadtests.target import Target, TargetError, target

_PROGRESS = 0.5
_WARM = 4


def search(
    orders: Orders, plan: LimitPlan, key: str, put: Callable[[dict[str, Any]], None], stopped: Callable[[], str]
) -> bool:
    """Carry the search out and write its records; whether it is valid. Raises `TargetError` before anything is sent.

    `stopped` says why the search is to end, and is empty until then.
    """
    where, pool = _asked(orders, key)
    tokens = plan.search.quota == "tokens"
    prober = Prober(
        plan.limits,
        judged_tokens if tokens else partial(judged),
        plain=Asked(prompt=plan.search.prompt_tokens, max_tokens=plan.search.max_tokens),
        broken=None if tokens else Asked(kind="broken"),
        finer=[Asked(prompt=plan.search.prompt_tokens // share, max_tokens=1) for share in (4, 16)] if tokens else (),
        wide=Asked(kind="wide", prompt=16, max_tokens=plan.search.prompt_tokens) if tokens else None,
    )
    asker = Asker(
        prober,
        pool,
        partial(_request, where, orders.seed),
        quota=plan.search.quota,
        deadline=plan.search.deadline,
    )
    pool.warm(_WARM)

    def watch() -> None:
        while True:
            if why := stopped():
                asker.stop(why)
            put({"type": "progress", **_progress(asker, plan)})
            gevent.sleep(_PROGRESS)

    watcher = gevent.spawn(watch)
    try:
        seconds = asker.run()
    finally:
        watcher.kill()
    put({"type": "progress", **_progress(asker, plan)})
    record = _record(asker, plan, seconds)
    put(record)
    return bool(record["valid"])


def _record(asker: Asker, plan: LimitPlan, seconds: float) -> dict[str, Any]:
    prober = asker.prober
    price = price_of(prober.seen, prober.opinion) if plan.search.quota == "tokens" else one_each
    found = finding(prober, plan.search.quota, price)
    answered = sum(one.passed is not None for one in prober.seen)
    reason = asker.reason or ("" if answered else "nothing was answered")
    return {
        "type": "limit",
        "profile": plan.search.name,
        "plan": plan.to_record(),
        "valid": not reason,
        "reason": reason,
        "seconds": round(seconds, 3),
        "counts": tally(prober.ledger.seen),
        "tokens": {"prompt": asker.prompt_tokens, "completion": asker.completion_tokens},
        "verdict": found.to_record(),
        "observations": [one.to_record() for one in sorted(prober.ledger.seen, key=lambda one: one.sent)],
    }


def _asked(orders: Orders, key: str) -> tuple[Target, Pool]:
    contract, operation = orders.operation()
    where = target(
        orders.target,
        operation,
        key,
        query=contract.query,
        headers={**contract.headers, "Accept": "application/json"},
        parameters=orders.parameters,
        proxy=orders.proxy,
    )
    try:
        return where, Pool(where.host, where.port, tls=where.tls, ca_file=orders.ca_file, proxy=where.proxy)
    except OSError as error:
        raise TargetError(f"the authorities in {orders.ca_file} cannot be read: {error}") from None


def _request(where: Target, seed: int, asked: Asked, number: int) -> bytes:
    """The whole request as it is written: not streamed, so that one answer has the usage in it."""
    body = json.loads(
        where.body(seed=seed, number=number, prompt_tokens=max(1, asked.prompt), max_tokens=asked.max_tokens)
    )
    body["stream"] = False
    if asked.kind == "broken":
        # Wrong by its type; where nobody looks at it, it costs no more than the others.
        body["temperature"] = "hot"
    if asked.kind in ("wide", "probe", "probe-n"):
        # Asked for at length and ended soon: what is charged at once differs from what is used.
        body["stop"] = [" ", "e", "a", "."]
    if asked.candidates > 1:
        body["n" if asked.kind == "probe-n" else "best_of"] = asked.candidates
    return where.request(json.dumps(body).encode())


def _progress(asker: Asker, plan: LimitPlan) -> dict[str, Any]:
    prober = asker.prober
    return {
        "sent": prober.sent,
        "done": len(prober.ledger.seen),
        "ok": prober.ledger.passed,
        "tokens": asker.prompt_tokens + asker.completion_tokens,
        "seconds": asker.now(),
        "planned": plan.requests,
        "counts": tally(prober.ledger.seen),
    }
