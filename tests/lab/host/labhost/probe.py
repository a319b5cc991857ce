# SPDX-License-Identifier: GPL-2.0-only
"""Traffic to the program echo in a guest, and what of it came back, and when."""

import hashlib
import multiprocessing
import random
import socket
import struct
import time

PORT = 7
INTERVAL = 0.01
BLOCK = 8192            # bytes, 50 times a second: 400 KiB/s, each way
PAUSE = 0.02
AHEAD = 16 * BLOCK      # sent, and not yet back
# s without a byte until a connection is dead; whoever is not answered for some time
# waits as long again until the next try.
PATIENCE = 120
LAST = 2                # s for the last answers

MESSAGE = struct.Struct("!I60x")


class Traffic:
    """A process that does what run() does until stop(); one of its own, so that
    the test does not delay it. It calls enter first, see peer.py."""

    def __init__(self, address, enter=None):
        self.address, self.enter = address, enter
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=self.work, args=(other,), daemon=True)
        self.process.start()
        other.close()
        error = self.pipe.recv() if self.pipe.poll(PATIENCE) else "no answer"
        if error:
            self.process.kill()
            raise OSError(f"{type(self).__name__}, {address}: {error}")

    def work(self, pipe):
        try:
            if self.enter:
                self.enter()
            result = self.run(pipe)
        except TimeoutError:
            result = OSError(f"no byte sent or back for {PATIENCE} s")
        except OSError as err:
            result = err
        pipe.send(result)

    def run(self, pipe):
        """Sends None by the pipe as soon as there was an answer, then goes on
        until there is something to be read in it."""
        raise NotImplementedError

    def stop(self):
        """Ends it; returns what run() did."""
        try:
            self.pipe.send(None)
        except OSError:
            pass    # it has ended by itself, and says why
        result = self.pipe.recv() if self.pipe.poll(PATIENCE + 10) else \
            OSError("no end of it")
        self.process.kill()
        self.process.join()
        if isinstance(result, OSError):
            raise OSError(f"{type(self).__name__}: {result}")
        return result


class Probe(Traffic):
    """A datagram each 10 ms; stop() returns Answers."""

    def run(self, pipe):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((self.address, PORT))
            answers = Answers()
            upcoming = time.monotonic()
            heard = False
            while not pipe.poll():
                answers.send(sock)
                # What was not sent in time is not sent in a burst afterwards, of which
                # much would be lost.
                upcoming = max(upcoming + INTERVAL, time.monotonic())
                answers.take(sock, upcoming)
                if answers.came and not heard:
                    pipe.send(None)
                    heard = True
            answers.take(sock, time.monotonic() + LAST)
        return answers


class Answers:
    """When each datagram was sent, and when it was back."""

    def __init__(self):
        self.sent = []
        self.came = {}
        self.twice = 0

    def send(self, sock):
        self.sent.append(time.monotonic())
        try:
            sock.send(MESSAGE.pack(len(self.sent) - 1))
        except OSError:
            pass    # never comes back, then

    def take(self, sock, until):
        while True:
            sock.settimeout(max(until - time.monotonic(), 0.0001))
            try:
                number = MESSAGE.unpack(sock.recv(2048))[0]
            except OSError:
                return
            self.twice += number in self.came
            self.came.setdefault(number, time.monotonic())
            if time.monotonic() > until:
                return

    def figures(self, start, end):
        """Of those sent between two points in time: how many were lost; the longest
        time, in ms, in which none came back; how many were lost outside of that; and the
        longest time, in ms, in which none was sent, by a machine that halts."""
        numbers = [number for number, when in enumerate(self.sent)
                   if start <= when <= end]
        lost = [self.sent[number] for number in numbers if number not in self.came]
        times = [start, *sorted(self.came[number] for number in numbers
                                if number in self.came)]
        times.append(max(end, times[-1]))
        gap, since = max((after - before, before) for before, after in zip(times, times[1:]))
        pauses = [after - before for before, after in
                  zip(self.sent, self.sent[1:]) if start <= after <= end]
        return {"sent": len(numbers),
                "lost": len(lost),
                "longest_gap_ms": round(gap * 1000),
                "lost_outside": sum(not since <= when <= since + gap for when in lost),
                "longest_pause_ms": round(max(pauses, default=0) * 1000)}

    def points(self, zero):
        """Of each since 1970 that was sent: seconds from zero on, and milliseconds until it
        was back, or None."""
        offset = time.time() - time.monotonic() - zero
        return [[round(sent + offset, 4), round((self.came[number] - sent) * 1000, 2)
                 if number in self.came else None] for number, sent in enumerate(self.sent)]

    def rate(self, start, end):
        """Answers per second between two points in time."""
        return sum(start < when <= end for when in self.came.values()) / (end - start)

    def gap(self, start, end):
        """The longest time, in ms, without an answer, of those that end with one between two
        points in time."""
        times = sorted(self.came.values())
        return round(1000 * max((after - before for before, after in zip(times, times[1:])
                                 if start < after <= end), default=0))


class Stream(Traffic):
    """A TCP connection that takes random bytes to the guest and back; stop()
    returns (bytes that were back, whether all of them were the same)."""
    pause = PAUSE

    def run(self, pipe):
        there, back = hashlib.sha256(), hashlib.sha256()
        sent = received = 0
        data = random.Random(1)
        with socket.create_connection((self.address, PORT), PATIENCE) as sock:
            sock.settimeout(PATIENCE)
            while not pipe.poll():
                block = data.randbytes(BLOCK)
                sock.sendall(block)
                there.update(block)
                sent += BLOCK
                if sent == BLOCK:
                    pipe.send(None)
                while sent - received >= AHEAD:
                    received += self.take(sock, back)
                time.sleep(self.pause)
            sock.shutdown(socket.SHUT_WR)
            while received < sent:
                received += self.take(sock, back)
        return received, there.digest() == back.digest()

    @staticmethod
    def take(sock, total):
        block = sock.recv(1 << 16)
        if not block:
            raise OSError("the guest's end closed the connection")
        total.update(block)
        return len(block)
