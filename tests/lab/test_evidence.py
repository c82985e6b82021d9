"""Evidence of the demonstration that no command gives."""

from pathlib import Path

from hil.lab.demo.evidence import senders
from hil.lab.ovs.frames import Pcap


def test_recorded_frames_are_counted_by_their_sender(tmp_path: Path) -> None:
    record = Pcap(tmp_path / "x.pcap")
    for sender, count in ((1, 3), (2, 1)):
        for length in range(count):
            record.add(b"\xff" * 6 + bytes([2, 0, 0, 0, 0, sender]) + bytes(46 + length))
    record.close()
    assert senders(tmp_path / "x.pcap") == {"02:00:00:00:00:01": 3, "02:00:00:00:00:02": 1}


def test_an_empty_record_holds_nobody(tmp_path: Path) -> None:
    Pcap(tmp_path / "x.pcap").close()
    assert senders(tmp_path / "x.pcap") == {}
