"""Ethernet frames as they really are on a cable: made, sent, received with their VLAN tag, kept in pcap files.

Sockets of Linux' packet family; needs root. The kernel takes a received frame's tag off and tells it beside the frame
(packet(7), PACKET_AUXDATA): it is put back here. Probes use the ethertype 0x88b5, which IEEE 802 leaves to experiments.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

EXPERIMENT: Final = 0x88B5
TAGGED: Final = 0x8100
_ALL: Final = 0x0003
_PACKET: Final = 263
_AUXDATA: Final = 8
_ATTACH_FILTER: Final = 26
_VLAN_VALID: Final = 1 << 4
_AUX: Final = struct.Struct("=IIIHHHH")
_MARK: Final = struct.Struct("!8sQHH")
_MAGIC: Final = b"HILPROBE"
_NO_TAG: Final = 0xFFFF
_SHORTEST: Final = 60
_ROOM: Final = 2**16


class Mark(NamedTuple):
    """What a probe's payload says: which probe, who sent it, and with which tag."""

    probe: int
    sender: int
    tag: int | None


class Seen(NamedTuple):
    """A probe as it arrived: the tag that it had on the cable, and what it says of itself."""

    tag: int | None
    mark: Mark


def probe_frame(source: bytes, mark: Mark) -> bytes:
    """Make a broadcast frame that carries the mark, tagged as the mark says."""
    tag = b"" if mark.tag is None else struct.pack("!HH", TAGGED, mark.tag)
    said = _NO_TAG if mark.tag is None else mark.tag
    payload = _MARK.pack(_MAGIC, mark.probe, mark.sender, said)
    frame = b"\xff" * 6 + source + tag + struct.pack("!H", EXPERIMENT) + payload
    return frame.ljust(_SHORTEST + len(tag), b"\0")


def mark_of(frame: bytes) -> Mark | None:
    """Find a probe's mark in a frame, at whatever depth of tags."""
    at = frame.find(_MAGIC)
    if at < 0 or len(frame) < at + _MARK.size:
        return None
    _, probe, sender, tag = _MARK.unpack_from(frame, at)
    return Mark(probe, sender, None if tag == _NO_TAG else tag)


def outer_tag(frame: bytes) -> int | None:
    """Answer the VLAN id of a frame's outermost tag; None if it has none."""
    kind, control = struct.unpack_from("!HH", frame, 12) if len(frame) >= 16 else (0, 0)
    return control & 0x0FFF if kind == TAGGED else None


class Cable:
    """A socket on one interface of the present network namespace; `probes_only` filters in the kernel."""

    def __init__(self, interface: str, *, probes_only: bool = True) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self.socket.setsockopt(_PACKET, _AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        if probes_only:
            _attach_filter(self.socket)
        self.socket.bind((interface, _ALL))
        self.address: bytes = self.socket.getsockname()[4]

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)

    def receive(self) -> Iterator[bytes]:
        """Answer every frame that has come in by now, tags put back; frames that this side sent are left out."""
        for frame, outgoing in self.pass_by():
            if not outgoing:
                yield frame

    def pass_by(self) -> Iterator[tuple[bytes, bool]]:
        """Answer every frame that has passed by now, and whether it was an outgoing one."""
        while True:
            try:
                frame, beside, _, sender = self.socket.recvmsg(_ROOM, 64)
            except (BlockingIOError, InterruptedError):
                return
            yield _retagged(frame, beside), sender[2] == socket.PACKET_OUTGOING

    def probes(self) -> Iterator[Seen]:
        """Answer every probe that has come in by now."""
        for frame in self.receive():
            if (mark := mark_of(frame)) is not None:
                yield Seen(outer_tag(frame), mark)

    def close(self) -> None:
        self.socket.close()


def _retagged(frame: bytes, beside: list[tuple[int, int, bytes]]) -> bytes:
    for level, kind, data in beside:
        if (level, kind) == (_PACKET, _AUXDATA) and len(data) >= _AUX.size:
            status, _, _, _, _, control, protocol = _AUX.unpack_from(data)
            if status & _VLAN_VALID:
                return frame[:12] + struct.pack("!HH", protocol or TAGGED, control) + frame[12:]
    return frame


def _attach_filter(sock: socket.socket) -> None:
    """Let only probes through: 0x88b5 as ethertype, or behind one tag that is still in the frame (bpf(4))."""
    load, equal, answer = 0x28, 0x15, 0x06
    program = [
        (load, 0, 0, 12),
        (equal, 3, 0, EXPERIMENT),
        (equal, 0, 3, TAGGED),
        (load, 0, 0, 16),
        (equal, 0, 1, EXPERIMENT),
        (answer, 0, 0, _ROOM),
        (answer, 0, 0, 0),
    ]
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(buffer)))


class Pcap:
    """A capture file that tcpdump and wireshark read, complete after every frame (libpcap's format, version 2.4)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._file.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _ROOM, 1))
        self.frames = 0

    def add(self, frame: bytes, when: float | None = None) -> None:
        seconds, micros = divmod(int((time.time() if when is None else when) * 1e6), 10**6)
        self._file.write(struct.pack("=IIII", seconds, micros, len(frame), len(frame)) + frame)
        self.frames += 1

    def close(self) -> None:
        self._file.close()
