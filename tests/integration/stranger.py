"""Says to a Locust master that it is a worker, and writes down every byte it hears, a line of hex for each message.

A program of its own: a process that has imported Locust has its threads patched, and pyzmq's poll would stop them all.
Arguments: the master's port, Locust's version, and what it answers to wps-load's own questions: "silent", or "fit", as
a worker that could play does.
"""

from __future__ import annotations

import sys

import msgpack
import zmq

port, version, fit = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "fit"
sock = zmq.Context().socket(zmq.DEALER)
sock.setsockopt(zmq.IDENTITY, b"stranger")
sock.connect(f"tcp://127.0.0.1:{port}")
sock.send(msgpack.dumps(("client_ready", version, "stranger")))
sock.send(msgpack.dumps(("locustfile", {"version": version}, "stranger")))
if fit:
    sock.send(msgpack.dumps(("wps_present", {"host": "elsewhere"}, "stranger")))
while True:  # until it is ended
    sock.send(msgpack.dumps(("heartbeat", {"state": "ready", "current_cpu_usage": 0}, "stranger")))
    while sock.poll(200):
        heard = sock.recv()
        sys.stdout.write(heard.hex() + "\n")
        sys.stdout.flush()
        kind, data, _ = msgpack.loads(heard)
        if fit and kind == "wps_rehearse":
            answer = {"number": data["number"], "faults": [], "room": None}
            sock.send(msgpack.dumps(("wps_rehearsed", answer, "stranger")))
