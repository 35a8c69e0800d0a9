"""A server starts, says where it is, and goes away without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import httpx
import pytest

from reference_server.serve import run, serving, standin_app
from reference_server.standin import StandinOptions
from schemas.model import Contract

ROOT = Path(__file__).parents[2]


def test_a_server_leaves_no_thread_and_no_socket(contract: Contract) -> None:
    before = set(threading.enumerate())
    with serving(standin_app(contract)) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        assert httpx.get(server.url + "/health", verify=False, trust_env=False).json() == {"status": "ok"}
    assert set(threading.enumerate()) == before
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_several_servers_run_at_once(contract: Contract) -> None:
    with serving(standin_app(contract)) as first, serving(standin_app(contract)) as second:
        assert first.port != second.port
        for server in (first, second):
            assert httpx.get(server.url + "/health", verify=False, trust_env=False).status_code == 200


def test_a_server_stops_while_a_stream_is_open(contract: Contract) -> None:
    app = standin_app(contract, options=StandinOptions(ttft_s=0.0, itl_s=30.0))
    before = set(threading.enumerate())
    body = {"prompt": "The sea", "stream": True, "max_tokens": 9, "ignore_eos": True}
    with httpx.Client(verify=False, trust_env=False) as client:
        with serving(app) as server, client.stream("POST", server.url + "/v1/completions", json=body) as response:
            assert response.status_code == 200
            next(response.iter_lines())
        assert set(threading.enumerate()) == before


def test_an_address_in_use_is_said(contract: Contract) -> None:
    with serving(standin_app(contract)) as server:
        with (
            pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{server.port}"),
            serving(standin_app(contract), port=server.port),
        ):
            pass
        with pytest.raises(OSError, match="cannot listen"):
            run(standin_app(contract), port=server.port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_said(contract: Contract, port: int) -> None:
    with pytest.raises(OSError, match="0 to 65535"), serving(standin_app(contract), port=port):
        pass


def test_an_exception_in_the_body_still_stops_the_server(contract: Contract) -> None:
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="mine"), serving(standin_app(contract)):
        raise RuntimeError("mine")
    assert set(threading.enumerate()) == before


def test_an_unknown_variation_is_said(contract: Contract) -> None:
    with pytest.raises(KeyError):
        standin_app(contract, variation="no such")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    program = textwrap.dedent(
        """
        from reference_server.serve import run, standin_app
        from schemas.contracts import get
        run(standin_app(get("azure-llama")), port=0, on_started=lambda url: print(url, flush=True))
        print("ended", flush=True)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(url + "/health", verify=False, trust_env=False).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "ended\n", "")
