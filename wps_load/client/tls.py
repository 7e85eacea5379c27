"""TLS for every connection of a run: one context, built once.

Building a context loads the trust store and costs milliseconds of CPU; a handshake costs a fraction of one.

Session resumption is off, on purpose: each simulated client stands for another device, which has no session
to resume, so each connect costs the service a full handshake, as it would in production. (Python never
resumes unless a session is passed to `wrap_socket`, and nothing here does.) What this overstates is the cost
of a reconnect of the same device.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import gevent.ssl

from wps_load.errors import ConfigError, ConnectFailure, Fault


def make_context(ca_file: str | None = None, *, insecure: bool = False) -> Any:
    """A client context of gevent's kind. `ca_file`: PEM trust anchors instead of the system's.

    `insecure` accepts any certificate. Raises ConfigError if `ca_file` cannot be used.
    """
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without renegotiation a write never waits for a read, which is what `outbox` relies on.
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])  # RFC 6455's upgrade exists in HTTP/1.1 only
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:  # ssl.SSLError is one
            fault = Fault("--wps-ca-file", ca_file, "must be a readable file with certificates in PEM form")
            raise ConfigError([fault]) from error
    return context


def wrap(sock: Any, context: Any, host: str) -> Any:
    """TLS on a connected gevent socket, handshake done, in the caller's greenlet. `sock` is consumed.

    `host` goes into SNI and is what the certificate must name. Raises ConnectFailure (`tls_certificate`:
    permanent, `tls_failed`, `connect_reset`).
    """
    name = host.removesuffix(".")  # a final dot belongs to DNS: no certificate and no SNI (RFC 6066) has it
    secure = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    try:
        secure.do_handshake()
    except BaseException as error:
        secure.close()
        if isinstance(error, OSError):
            raise _failure(error, host) from error
        raise
    return secure


def behind_handshake(error: OSError, sock: Any, host: str) -> ConnectFailure | None:
    """The failure that a TLS server reports instead of an answer; None: it is not about TLS.

    In TLS 1.3 the client's handshake is over before the server has judged its certificate (RFC 8446 section 4.4.2): the
    alert comes in place of the first answer, and may still be unread when a write has failed.
    """
    if not hasattr(sock, "do_handshake"):
        return None
    if not isinstance(error, ssl.SSLError) or not error.reason:
        try:
            sock.settimeout(_ALERT_S)
            sock.recv(1)
        except ssl.SSLError as said:
            error = said
        except OSError:
            return None
    return _failure(error, host) if isinstance(error, ssl.SSLError) and error.reason else None


_ALERT_S: Final = 0.5
"""The alert is already on its way, or will not come."""

_TRUST: Final = "give its authority with --wps-ca-file, or accept any certificate with --wps-insecure"
_CLIENT_CERTIFICATE: Final = (
    "the server asks for a client certificate, which wps-load does not send",
    "turn off client certificates (mutual TLS) for this test: with Azure Web PubSub, tlsSettings of the resource",
)
_NO_TLS: Final = (
    "the port does not speak TLS",
    "use http:// or ws://, or the port that speaks TLS",
)
_OLD: Final = ("the server speaks no TLS version of today", "let it speak TLS 1.2 or 1.3; older ones are not safe")
_REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "CERTIFICATE_REQUIRED": _CLIENT_CERTIFICATE,
        "BAD_CERTIFICATE": _CLIENT_CERTIFICATE,
        "NO_CERTIFICATE": _CLIENT_CERTIFICATE,
        "HANDSHAKE_FAILURE": (
            "the server broke off the TLS handshake: it asks for a client certificate, or shares no cipher with us",
            "wps-load sends no client certificate: turn mutual TLS off for this test; else check the server's ciphers",
        ),
        "UNRECOGNIZED_NAME": ("the server has no certificate for this name (SNI)", "check the endpoint's host name"),
        "NO_APPLICATION_PROTOCOL": ("the server does not speak http/1.1", "a WebSocket upgrade needs HTTP/1.1"),
        "PROTOCOL_VERSION": _OLD,
        "UNSUPPORTED_PROTOCOL": _OLD,
        "WRONG_SSL_VERSION": _OLD,
        "WRONG_VERSION_NUMBER": _NO_TLS,
        "HTTP_REQUEST": _NO_TLS,
        "PACKET_LENGTH_TOO_LONG": _NO_TLS,
        "RECORD_LAYER_FAILURE": _NO_TLS,
        "UNKNOWN_PROTOCOL": _NO_TLS,
        "INTERNAL_ERROR": ("the server failed in the TLS handshake", "see the server's own log"),
    }
)
"""Advice by the end of OpenSSL's reason, whose beginning (SSLV3_ALERT_, TLSV13_ALERT_, ...) depends on its version."""

_VERIFY: Final[Mapping[int, str]] = MappingProxyType(
    {
        9: "check this machine's clock: the certificate is for later",
        10: "renew the server's certificate, and check this machine's clock",
        18: f"it signs itself: {_TRUST}",
        20: f"{_TRUST}; the server may also have left out an intermediate certificate",
        21: f"the server has left out an intermediate certificate: let it send the whole chain, or {_TRUST}",
        62: "check the endpoint's host: the certificate is for other names",
        64: "check the endpoint's host: the certificate is for other names or addresses",
    }
)
"""Advice by OpenSSL's X509_V_ERR_ numbers."""


def _failure(error: OSError, host: str) -> ConnectFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailure(
            "tls_certificate",
            f"the certificate of {host} is not trusted: {error.verify_message}",
            _VERIFY.get(error.verify_code, _TRUST),
            permanent=True,
        )
    if isinstance(error, ssl.SSLError) and error.reason:
        known = next((row for end, row in _REASONS.items() if error.reason.endswith(end)), None)
        what, advice = known or (
            "the TLS handshake failed",
            "check that the port speaks TLS (wss://, https://) and which TLS versions the server allows",
        )
        return ConnectFailure(
            "tls_failed", f"{host}: {what} ({error.reason})", advice, permanent=known in (_CLIENT_CERTIFICATE, _OLD)
        )
    return ConnectFailure(
        "connect_reset",
        f"{host} dropped the connection during the TLS handshake",
        "check the port, and firewalls, proxies and load balancers on the way",
    )
