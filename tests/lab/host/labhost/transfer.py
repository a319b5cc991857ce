# SPDX-License-Identifier: GPL-2.0-only
"""Bytes by TCP from a guest to the PF, and back."""

import hashlib
import os
import socket
import threading
import time

from .net import PF_ADDRESS

SIZE = 8 << 20


def transfer_in(guest):
    """Guest to PF: (bytes, both ends' checksums)."""
    sums = []

    def sink():
        connection, _ = server.accept()
        with connection:
            total, size = hashlib.sha256(), 0
            while block := connection.recv(1 << 16):
                total.update(block)
                size += len(block)
        sums.append((size, total.hexdigest()))

    with socket.create_server((PF_ADDRESS, 5001)) as server:
        server.settimeout(60)
        thread = threading.Thread(target=sink, daemon=True)
        thread.start()
        guest.run(f"head -c {SIZE} /dev/urandom > /tmp/sent", 60)
        start = time.monotonic()
        guest.run(f"nc {PF_ADDRESS} 5001 < /tmp/sent", 90)
        thread.join(30)
        seconds = time.monotonic() - start
    size, got = sums[0]
    return size, got, guest.run("sha256sum /tmp/sent").split()[0], seconds


def transfer_out(guest):
    """PF to guest, likewise."""
    data = os.urandom(SIZE)

    def source():
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)

    with socket.create_server((PF_ADDRESS, 5002)) as server:
        server.settimeout(60)
        thread = threading.Thread(target=source, daemon=True)
        thread.start()
        start = time.monotonic()
        guest.run(f"nc {PF_ADDRESS} 5002 > /tmp/got < /dev/null", 90)
        seconds = time.monotonic() - start
        thread.join(30)
    size, got = guest.run("stat -c %s /tmp/got; sha256sum /tmp/got").split()[:2]
    return int(size), got, hashlib.sha256(data).hexdigest(), seconds
