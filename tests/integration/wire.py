"""A network between hosts that are namespaces of this machine: packets take their time, get lost, or find a link down.

`python wire.py NAMESPACE ...` gives each namespace the address 198.18.7.N (N from 1 on) and carries packets between
them, in Python: many kernels have no `netem`. A line of standard input sets how, as a JSON object:

    {"up_ms": 20, "down_ms": 5, "loss": 0.01, "cut": [[1, 3]]}

`up_ms`: to the first host, `down_ms`: from it; a host to itself has a loopback. `loss`: share of packets. `cut`: pairs
of hosts, as numbers from 1 on, that do not hear of each other.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import selectors
import struct
import subprocess
import sys
import time
from itertools import count
from typing import Any

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_MTU = 1500
NETWORK = "198.18.7."


def address(host: int) -> str:
    """Of the host with this number, from 1 on."""
    return f"{NETWORK}{host}"


def _enter(namespace: str) -> None:
    handle = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(handle)


def _device(namespace: str, host: int) -> int:
    """The file of a new network device there: what is read from it leaves the host, what is written reaches it."""
    _enter(namespace)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", b"wire0", _IFF_TUN_NO_PI))
    for arguments in (f"addr add {address(host)}/24 dev wire0", f"link set wire0 up mtu {_MTU}"):
        subprocess.run(["ip", *arguments.split()], check=True)
    return tun


class Wire:
    """`devices`: by the number of their host."""

    def __init__(self, devices: dict[int, int]) -> None:
        self.devices = devices
        self._chance = random.Random(1)
        self._way: dict[str, Any] = {}
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._numbers = count()

    def set(self, way: dict[str, Any]) -> None:
        self._way = way

    def leaves(self, sender: int) -> None:
        """Takes all that a host has to send."""
        while True:
            try:
                packet = os.read(self.devices[sender], 65536)
            except BlockingIOError:
                return
            receiver = packet[19] if packet[0] >> 4 == 4 and packet[16:19] == bytes((198, 18, 7)) else 0
            if receiver in self.devices and not self._lost(sender, receiver):
                delay_ms = self._way.get("up_ms" if receiver == 1 else "down_ms" if sender == 1 else "", 0)
                due = time.monotonic() + delay_ms / 1000
                heapq.heappush(self._under_way, (due, next(self._numbers), receiver, packet))

    def _lost(self, sender: int, receiver: int) -> bool:
        cut = self._way.get("cut", ())
        return (
            [sender, receiver] in cut or [receiver, sender] in cut or self._chance.random() < self._way.get("loss", 0)
        )

    def arrive(self) -> float | None:
        """Delivers what is due; in how many seconds the next is, None without one."""
        while self._under_way:
            due, _, receiver, packet = self._under_way[0]
            left = due - time.monotonic()
            if left > 0:
                return left
            heapq.heappop(self._under_way)
            os.write(self.devices[receiver], packet)
        return None


def main() -> None:
    wire = Wire({host: _device(namespace, host) for host, namespace in enumerate(sys.argv[1:], 1)})
    selector = selectors.DefaultSelector()
    for host, device in wire.devices.items():
        selector.register(device, selectors.EVENT_READ, host)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select(wire.arrive()):
            if key.data is not None:
                wire.leaves(key.data)
            elif line := sys.stdin.readline():
                wire.set(json.loads(line))
                print("set", flush=True)
            else:
                return


if __name__ == "__main__":
    main()
