"""Says to a Locust master that it is a worker, and writes down every byte it hears, a line of hex for each message.

A program of its own: a process that has imported Locust has its threads patched, and pyzmq's poll would stop them all.
Arguments: the master's port, Locust's version.
"""

from __future__ import annotations

import sys

import msgpack
import zmq

port, version = int(sys.argv[1]), sys.argv[2]
sock = zmq.Context().socket(zmq.DEALER)
sock.setsockopt(zmq.IDENTITY, b"stranger")
sock.connect(f"tcp://127.0.0.1:{port}")
sock.send(msgpack.dumps(("client_ready", version, "stranger")))
sock.send(msgpack.dumps(("locustfile", {"version": version}, "stranger")))
while True:  # until it is ended
    sock.send(msgpack.dumps(("heartbeat", {"state": "ready", "current_cpu_usage": 0}, "stranger")))
    while sock.poll(200):
        sys.stdout.write(sock.recv().hex() + "\n")
        sys.stdout.flush()
