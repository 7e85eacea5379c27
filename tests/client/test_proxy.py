from __future__ import annotations

import base64
import socket
from typing import Any

import gevent
import gevent.server
import gevent.socket
import pytest

from tests.client.loopback import PATIENCE_S, Server, header, read_head_text, upgrade_answer
from wps_load.client.dial import ConnectSpec, dial
from wps_load.client.proxy import Proxy, ProxySettings
from wps_load.client.stream import Network
from wps_load.errors import ConfigError, ConnectFailure

PROXY = Proxy("proxy.example", 3128)


def choose(exceptions: str, host: str, port: int = 443) -> Proxy | None:
    environ = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": exceptions}
    return ProxySettings.from_environ(environ).choose(host, port, tls=True)


@pytest.mark.parametrize(
    ("exceptions", "host", "port"),
    [
        ("*", "a.example", 443),
        ("a.example", "a.example", 443),
        ("example", "a.b.example", 443),
        (".example", "a.example", 443),
        ("*.example", "a.example", 443),
        ("x, A.Example ,y", "a.EXAMPLE", 443),
        ("a.example:8443", "a.example", 8443),
        ("10.0.0.0/8", "10.1.2.3", 443),
        ("10.1.2.3", "10.1.2.3", 443),
        ("2001:db8::/32", "2001:db8::1", 443),
        ("x.example a.example\ty", "a.example", 443),
        ("a.example.", "a.example", 443),
        (".example.", "a.example", 443),
        ("a.example", "a.example.", 443),
        ("10.1.2.3:8443", "10.1.2.3", 8443),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("[2001:db8::1]", "2001:db8::1", 443),
        ("'a.example,b'", "a.example", 443),
        ("", "localhost", 443),
        ("", "x.localhost", 443),
        ("", "127.0.0.2", 443),
        ("", "::1", 443),
    ],
)
def test_goes_straight(exceptions: str, host: str, port: int) -> None:
    assert choose(exceptions, host, port) is None


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("", "a.example"),
        ("example", "another-example"),
        ("a.example:8443", "a.example"),
        ("10.0.0.0/8", "11.1.2.3"),
        (",,", "a.example"),
        (". .x", "a.example"),
        ("10.1.2.3:8443", "10.1.2.3"),
        ("10.0.0.0/99", "10.1.2.3"),
    ],
)
def test_goes_through_the_proxy(exceptions: str, host: str) -> None:
    assert choose(exceptions, host) == PROXY


def test_the_scheme_chooses_the_variable_and_lower_case_wins() -> None:
    settings = ProxySettings.from_environ(
        {"HTTP_PROXY": "plain:81", "HTTPS_PROXY": "shadowed:1", "https_proxy": "http://secure"}
    )
    assert settings.choose("a.example", 80, tls=False) == Proxy("plain", 81)
    assert settings.choose("a.example", 443, tls=True) == Proxy("secure", 80)


@pytest.mark.parametrize(
    "text",
    [
        "socks5://p:1080",
        "socks5h://p",
        "https://p:443",
        "http://",
        "http://p:port",
        "http://[p]:80",
        "http://a..b",
        "http=p:80;https=p:81",
        "http://u:S3cr[et@",
        "SOCKS://u:S3cr#et@p",
    ],
)
def test_an_unusable_proxy_is_a_fault_where_it_would_be_used(text: str) -> None:
    settings = ProxySettings.from_environ({"HTTPS_PROXY": text, "NO_PROXY": "b.example"})
    assert settings.choose("localhost", 443, tls=True) is None, "loopback is never proxied"
    assert settings.choose("a.example", 80, tls=False) is None, "that is HTTP_PROXY's business"
    assert settings.choose("b.example", 443, tls=True) is None
    with pytest.raises(ConfigError, match="HTTPS_PROXY: must be http://") as caught:
        settings.choose("a.example", 443, tls=True)
    assert "S3cr" not in str(caught.value)


def test_a_negotiated_target_meets_an_unusable_proxy() -> None:
    network = Network.create(environ={"HTTP_PROXY": "socks5://u:hunter2@p"})
    with pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec("ws://far.example/"), network)
    assert caught.value.label == "proxy_failed"
    assert caught.value.permanent
    assert "hunter2" not in f"{caught.value}{caught.value.advice}"


def test_a_proxy_whose_name_is_unknown_is_reported_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(gevent.socket, "getaddrinfo", unknown)
    network = Network.create(environ={"HTTPS_PROXY": "http://bob:hunter2@proxy.example:8080"})
    with pytest.raises(ConfigError, match=r"HTTPS_PROXY: .*proxy\.example") as caught:
        network.judge_proxy("https://wps.example", PATIENCE_S)
    assert "hunter2" not in str(caught.value)
    for other in ("https://127.0.0.1:1", "http://wps.example", "wss://localhost/?access_token=T"):
        network.judge_proxy(other, PATIENCE_S)
    assert asked == ["proxy.example"], "no other name is asked for"


@pytest.mark.parametrize(
    ("text", "host", "port", "pair"),
    [
        ("http://user:p%40ss@proxy:3128", "proxy", 3128, "user:p@ss"),
        ("http://bob:S3cr[et@proxy:8080", "proxy", 8080, "bob:S3cr[et"),
        ("http://bob:S3cr]et@proxy:8080", "proxy", 8080, "bob:S3cr]et"),
        ("http://bob:S3cr#et@proxy:8080", "proxy", 8080, "bob:S3cr#et"),
        ("http://bob:a/b?c@d:e@proxy:8080/", "proxy", 8080, "bob:a/b?c@d:e"),
        ("HTTP://Proxy.Example/", "proxy.example", 80, None),
        (" 'http://proxy:81' ", "proxy", 81, None),
        ("[::1]:81", "::1", 81, None),
    ],
)
def test_a_proxy_as_it_is_written(text: str, host: str, port: int, pair: str | None) -> None:
    proxy = Proxy.parse(text, "HTTPS_PROXY")
    assert (proxy.host, proxy.port) == (host, port)
    assert proxy.authorization == (pair and "Basic " + base64.b64encode(pair.encode()).decode())
    assert "Basic" not in repr(ProxySettings(secure=proxy))


class ForwardingProxy:
    """Answers CONNECT with `answer`; a 2xx one tunnels to `target_port` on loopback, whatever name was asked
    for.
    """

    def __init__(self, answer: bytes, target_port: int = 0) -> None:
        self.answer = answer
        self.target_port = target_port
        self.heads: list[str] = []
        self.server = gevent.server.StreamServer(("127.0.0.1", 0), self._serve)

    def _serve(self, sock: Any, _address: object) -> None:
        self.heads.append(read_head_text(sock))
        sock.sendall(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 2"):
            sock.close()
            return
        target = gevent.socket.create_connection(("127.0.0.1", self.target_port))
        back = gevent.spawn(self._copy, target, sock)
        self._copy(sock, target)
        back.join(timeout=PATIENCE_S)

    @staticmethod
    def _copy(source: Any, sink: Any) -> None:
        try:
            while data := source.recv(4096):
                sink.sendall(data)
            sink.shutdown(1)
        except OSError:
            pass  # one side went away

    def __enter__(self) -> ForwardingProxy:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop(timeout=0)

    def network(self, credentials: str = "") -> Network:
        return Network.create(environ={"HTTP_PROXY": f"http://{credentials}127.0.0.1:{self.server.server_port}"})


def test_connects_through_the_tunnel_without_resolving_the_target() -> None:
    with (
        Server(lambda sock, head: sock.sendall(upgrade_answer(head))) as server,
        ForwardingProxy(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", server.port) as proxy,
    ):
        dialed = dial(ConnectSpec("ws://far.example/client/hubs/h"), proxy.network("u:p@"))
        dialed.sock.close()
    assert proxy.heads[0].startswith("CONNECT far.example:80 HTTP/1.1\r\n")
    assert header(proxy.heads[0], "Proxy-Authorization") == "Basic " + base64.b64encode(b"u:p").decode()
    assert header(server.heads[0], "Proxy-Authorization") is None


@pytest.mark.parametrize(
    ("answer", "permanent", "advice"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", True, "user:password@"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", True, "NO_PROXY"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", False, "cannot reach"),
        (b"SSH-2.0-x\r\n\r\n", False, "check"),
        (b"", False, "check"),
    ],
)
def test_a_proxy_that_refuses(answer: bytes, permanent: bool, advice: str) -> None:
    with ForwardingProxy(answer) as proxy, pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec("ws://far.example/"), proxy.network("u:hunter2@"))
    assert caught.value.label == "proxy_failed"
    assert caught.value.permanent is permanent
    assert advice in caught.value.advice
    assert "hunter2" not in f"{caught.value}{caught.value.advice}{caught.value!r}"


def test_a_proxy_that_does_not_listen() -> None:
    with ForwardingProxy(b"") as proxy:
        network = proxy.network()
    with pytest.raises(ConnectFailure) as caught:
        dial(ConnectSpec("ws://far.example/"), network)
    assert caught.value.label == "proxy_failed"
    assert "HTTPS_PROXY" in caught.value.advice
