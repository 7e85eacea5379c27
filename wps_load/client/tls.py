"""TLS for every connection of a run: one context, built once.

Building a context loads the trust store and costs milliseconds of CPU; a handshake costs a fraction of one.

Session resumption is off, on purpose: each simulated client stands for another device, which has no session
to resume, so each connect costs the service a full handshake, as it would in production. (Python never
resumes unless a session is passed to `wrap_socket`, and nothing here does.) What this overstates is the cost
of a reconnect of the same device.
"""

from __future__ import annotations

import ssl
from typing import Any

import gevent.ssl  # type: ignore[import-untyped]

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
    secure = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        secure.do_handshake()
    except BaseException as error:
        secure.close()
        if isinstance(error, OSError):
            raise _failure(error, host) from error
        raise
    return secure


def _failure(error: OSError, host: str) -> ConnectFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailure(
            "tls_certificate",
            f"the certificate of {host} is not trusted: {error.verify_message}",
            "give its authority with --wps-ca-file, or accept any certificate with --wps-insecure",
            permanent=True,
        )
    if isinstance(error, ssl.SSLError):
        return ConnectFailure(
            "tls_failed",
            f"the TLS handshake with {host} failed ({error.reason or 'no reason given'})",
            "check that the port speaks TLS (wss://, https://) and which TLS versions the server allows",
        )
    return ConnectFailure(
        "connect_reset",
        f"{host} dropped the connection during the TLS handshake",
        "check the port, and what stands between (firewall, proxy, load balancer)",
    )
