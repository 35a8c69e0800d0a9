"""Puts a contract in front of any ASGI app that generates text: routes, key, limits, validation, the shape of refusals.

Law: nothing about the contract is said to a caller without the key; a request is judged by the contract's own schema;
no body, however strange, makes the server fail.
"""

from __future__ import annotations

import hmac
import json
import re
from typing import Any

from reference_server import asgi
from reference_server.admission import Settlement, account_name, answer_estimate, prompt_estimate
from reference_server.answer_length import AnswerLength, default_max_tokens
from reference_server.description import PATHS as DESCRIBED
from reference_server.description import description
from reference_server.extras import sort_extras
from reference_server.inner import PATH_OF, TOKENIZE
from reference_server.limits import DEFAULT, UNLIMITED, Account, Limiter, Limits, Refusal
from reference_server.validation import Fault, Judge, Pair
from schemas import emit
from schemas.model import Contract, Operation

MODELS_PATH = "/v1/models"

_MOST_BODY = 1 << 20


class NotJsonError(ValueError):
    """The body is not JSON; the message says why."""


class RefusedError(Exception):
    """A request that the contract refuses, with the status and the document of the answer."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        super().__init__(status)
        self.status = status
        self.document = document


class ContractLayer:
    """The contract as ASGI middleware.

    `key` None lets everybody in, and `limits` None lets them ask without end; `forgets` are (requirement id, keyword)
    pairs that are not enforced, beside those that the scope names; `lenient` accepts what the contract leaves open;
    `refusal` is the status for a body that breaks it, None for the contract's own; `context_length` is the model's, in
    tokens, None where it is not known.
    """

    def __init__(  # noqa: PLR0913 - one knob each, all of them by name
        self,
        app: asgi.App,
        *,
        contract: Contract,
        key: str | None,
        limits: Limits | None = DEFAULT,
        forgets: frozenset[Pair] = frozenset(),
        lenient: bool = False,
        refusal: int | None = None,
        model: str = "seatrial-tiny",
        context_length: int | None = None,
    ) -> None:
        if refusal not in (None, 400, 422):
            raise ValueError(f"refusal is {refusal}; a request that breaks the tables is answered 400 or 422")
        if key == "":
            raise ValueError("the key is empty; give one, or None to ask for none")
        self._app = app
        self._key = None if key is None else key.encode()
        self._limiter = Limiter(limits or UNLIMITED)
        # A request for more than any model can say would hold up all others until it is refused.
        ceiling = context_length or (limits or UNLIMITED).tokens_per_minute
        self._lengths = {
            one.path: AnswerLength(one.route, default_max_tokens(one), context_length, ceiling)
            for one in contract.operations
        }
        self._forgets = forgets
        self._lenient = lenient
        self._refusal = refusal or contract.refusal
        self._model = model
        self._operations = {operation.path: operation for operation in contract.operations}
        voluntary = frozenset(row.id for row in contract.rows() if row.level == "MAY")
        self._aside_documents = dict.fromkeys(DESCRIBED, description(contract))
        self._schemas = {one.path: emit.schema(contract, one.route, "request") for one in contract.operations}
        self._judges = {path: Judge(schema, voluntary=voluntary) for path, schema in self._schemas.items()}

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Answer one request, or have the inner app answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        outlet = asgi.Outlet(send)
        try:
            await self._serve(scope, receive, outlet)
        except asgi.DisconnectError:
            return
        except Exception:
            # Once bytes are out, the only honest end is a cut connection.
            if outlet.begun:
                raise
            await asgi.send_json(send, 500, asgi.error_body(500, "the server failed"))

    async def _serve(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Outlet) -> None:
        # Whatever is refused is read first, so that the client is not cut off while it still writes.
        try:
            raw = await asgi.read_body(receive, _MOST_BODY)
            too_large = False
        except asgi.TooLargeError:
            raw, too_large = b"", True
        path, method = scope["path"], scope["method"]
        if path == "/health" and method in ("GET", "HEAD"):
            await self._health(scope, receive, send)
            return
        if not self._authorized(scope):
            message = "Access token is missing or invalid."
            await asgi.send_json(send, 401, asgi.error_body(401, message), {"www-authenticate": "Bearer"})
            return
        operation = self._operations.get(path)
        if path == TOKENIZE and method == "POST":
            await self._app(scope, asgi.replay(raw, receive), send)
        elif operation is None:
            await self._aside(path, method, send)
        elif method != operation.method:
            message = f"{path} answers {operation.method}"
            await asgi.send_json(send, 405, asgi.error_body(405, message), {"allow": operation.method})
        else:
            await self._ask(operation, scope, None if too_large else raw, receive, send)

    async def _health(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """What the app below says of itself; one that knows no such route is well as long as it answers."""
        said = 503

        async def heard(message: asgi.Message) -> None:
            nonlocal said
            if message["type"] == "http.response.start":
                said = message["status"]

        await self._app(scope, asgi.replay(b"", receive), heard)
        if said in (200, 404):
            await asgi.send_json(send, 200, {"status": "ok"})
        else:
            await asgi.send_json(send, 503, asgi.error_body(503, "the model server is not ready"))

    async def _aside(self, path: str, method: str, send: asgi.Send) -> None:
        """The paths beside the contract."""
        listed = {"id": self._model, "object": "model", "created": 0, "owned_by": "seatrial"}
        known: dict[str, Any] = {
            **self._aside_documents,
            "/health": {"status": "ok"},
            "/info": {"model_name": self._model, "model_type": "chat-completions", "model_provider_name": "seatrial"},
            MODELS_PATH: {"object": "list", "data": [listed]},
        }
        if path not in known:
            await asgi.send_json(send, 404, asgi.error_body(404, "no such route"))
        elif method not in ("GET", "HEAD"):
            await asgi.send_json(send, 405, asgi.error_body(405, f"{path} answers GET"), {"allow": "GET"})
        else:
            await asgi.send_json(send, 200, known[path])

    async def _ask(
        self, operation: Operation, scope: asgi.Scope, raw: bytes | None, receive: asgi.Receive, send: asgi.Outlet
    ) -> None:
        """Count, judge and pass on one request to a route of the contract."""
        account = self._limiter.account(account_name(scope))
        admitted = self._limiter.admit(account)
        if isinstance(admitted, Refusal):
            await self._throttle(admitted, account, send)
            return
        try:
            passed, judged = self._judged(operation, scope, raw)
        except RefusedError as refused:
            self._limiter.reject(admitted)
            await asgi.send_json(send, refused.status, refused.document)
            return
        prompt = prompt_estimate(passed)
        answer = answer_estimate(passed, prompt, self._lengths[operation.path])
        charge = self._limiter.charge(admitted, prompt + answer)
        if isinstance(charge, Refusal):
            await self._throttle(charge, account, send)
            return
        told = [(name.encode(), value.encode()) for name, value in self._limiter.headers(account).items()]
        settlement = Settlement(self._limiter, charge, prompt)
        path = PATH_OF[operation.route]
        inner = {**scope, asgi.READ: (judged, passed), "path": path, "raw_path": path.encode()}
        await self._pass_on(inner, settlement, told, receive, send)

    def _judged(self, operation: Operation, scope: asgi.Scope, raw: bytes | None) -> tuple[dict[str, Any], bytes]:
        """The body to pass on, also as bytes; `RefusedError` when it breaks the contract, or `raw` was too large."""
        if fault := _head_fault(scope, raw):
            raise RefusedError(fault[0], asgi.error_body(*fault))
        assert raw is not None
        try:
            body = read_json(raw)
        except NotJsonError as error:
            message = f"the body is not JSON: {error} [{operation.route}.head.payload]"
            raise RefusedError(400, asgi.error_body(400, message)) from None
        extras = sort_extras(scope, body, self._schemas[operation.path])
        if extras.fault:
            raise RefusedError(400, asgi.error_body(400, extras.fault))
        try:
            passed, broken = self._judges[operation.path].judge(
                extras.body,
                forgets=self._forgets | scope.get(asgi.FORGETS, frozenset()),
                lenient=self._lenient or scope.get(asgi.LENIENT, False),
            )
            if broken:
                raise RefusedError(*refused_body(broken, self._refusal))
            if extras.passed:
                passed = {**passed, **extras.passed}
            # What was not repaired is passed on as it came.
            return passed, raw if passed is body else json.dumps(passed).encode()
        except RecursionError:
            raise RefusedError(400, asgi.error_body(400, "the body is nested too deeply")) from None

    async def _pass_on(
        self,
        scope: asgi.Scope,
        settlement: Settlement,
        told: list[tuple[bytes, bytes]],
        receive: asgi.Receive,
        send: asgi.Outlet,
    ) -> None:
        """Have the inner app answer, with the headers `told` added, and settle however that ends."""
        raw, _ = scope[asgi.READ]
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
        scope["headers"] = [*headers, (b"content-length", str(len(raw)).encode())]
        failed = False
        try:
            await self._app(scope, asgi.replay(raw, receive), settlement.watching(send, told))
        except asgi.DisconnectError:
            raise
        except Exception:
            failed = True
            raise
        finally:
            settlement.settle(failed=failed)

    async def _throttle(self, refusal: Refusal, account: Account, send: asgi.Send) -> None:
        message = f"Rate limit of {refusal.limit} is exceeded. Try again in {refusal.retry_after} seconds."
        headers = {"retry-after": str(refusal.retry_after), **self._limiter.headers(account)}
        await asgi.send_json(send, 429, asgi.error_body(429, message, code="429"), headers)

    def _authorized(self, scope: asgi.Scope) -> bool:
        if self._key is None:
            return True
        scheme, _, token = (asgi.header(scope, "authorization") or "").partition(" ")
        # Compared in full even when the scheme is wrong, so that time tells nothing.
        same = hmac.compare_digest(token.strip().encode("latin-1"), self._key)
        return same and scheme.lower() == "bearer"


def read_json(raw: bytes) -> Any:
    """Strict JSON in UTF-8; of a repeated key the last counts. `NotJsonError` for anything else."""
    try:
        return _STRICT.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotJsonError(f"invalid UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except ValueError as error:
        raise NotJsonError(str(error)) from None


def refused_body(fault: Fault, status: int) -> tuple[int, dict[str, Any]]:
    """The status and the document of a refusal; a parameter that nobody knows is a bad request in any case."""
    status = 400 if fault.extra else status
    document = asgi.error_body(status, fault.message, fault.param or None)
    if status == 422:
        document["error"]["details"] = [{"loc": ["body", *fault.param.split(".")], "msg": fault.message}]
    return status, document


def _head_fault(scope: asgi.Scope, raw: bytes | None) -> tuple[int, str] | None:
    """What is wrong with a request before its JSON is read: status and message."""
    if raw is None:
        return 413, f"the body is larger than {_MOST_BODY} bytes"
    media_type, _, parameters = (asgi.header(scope, "content-type") or "").partition(";")
    if media_type.strip().lower() != "application/json":
        return 415, "the content type must be application/json"
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters, re.IGNORECASE)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        return 415, "the charset of JSON is utf-8"
    if (asgi.header(scope, "content-encoding") or "identity").lower() != "identity":
        return 415, "the body must not be compressed"
    return None


def _refuse_constant(token: str) -> Any:
    raise ValueError(f"{token} is not JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant)
