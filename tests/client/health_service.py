"""A Web PubSub that a test scripts, with what doctor asks beside connections: its health endpoint."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from tests.client.json_service import JsonService
from wps_load.clock import unix_time_s

WELL = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: the test\r\n"


class HealthService(JsonService):
    """Answers its health endpoint too, and closes a connection that says nothing. `refusal`: of each upgrade."""

    health = WELL
    refusal = ""
    clock_ahead_s = 0.0

    def serve(self, sock: Any, head: str) -> None:
        if head.startswith("GET /api/health"):
            date = formatdate(unix_time_s() + self.clock_ahead_s, usegmt=True)
            sock.sendall(f"{self.health}Date: {date}\r\n\r\n".encode())
        elif head.startswith("GET") and self.refusal:
            sock.sendall(self.refusal.encode())
        elif head:
            super().serve(sock, head)
