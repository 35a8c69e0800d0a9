"""What a hostile endpoint does to a connection before there is any request on it, in one table.

Law: as with behaviours, each ends when the client hangs up or when its server is over.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.hostile import Peer, Script

# With their keys, which open nothing: one is for the loopback address, the other for a name that nobody has.
_CERTIFICATES = Path(__file__).parents[2] / "tests" / "conformance"
LOOPBACK = str(_CERTIFICATES / "loopback.pem")
ANOTHER_HOST = str(_CERTIFICATES / "another-host.pem")


@dataclass(frozen=True)
class Connection:
    """How connections are treated: by TLS with that certificate, trusted or not, if there is one; then by a script."""

    script: Script
    certificate: str = ""
    trusted: bool = True

    def tls(self) -> ssl.SSLContext | None:
        """The server's side of TLS; None for plain HTTP."""
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    @property
    def options(self) -> tuple[str, ...]:
        """What the command line is told about the certificate."""
        return ("--ca-file", self.certificate) if self.certificate and self.trusted else ()


def _hangs(peer: Peer) -> None:
    peer.hang()


CONNECTIONS: Mapping[str, Connection] = {
    "reset at accept": Connection(lambda peer: peer.reset()),
    "closed at accept": Connection(lambda _: None),
    "speaks first": Connection(lambda peer: peer.send(b"220 mail.invalid ESMTP\r\n")),
    "a certificate of another host": Connection(_hangs, ANOTHER_HOST),
    "a certificate that nobody trusts": Connection(_hangs, LOOPBACK, trusted=False),
    "reset after the TLS handshake": Connection(lambda peer: peer.reset(), LOOPBACK),
}
