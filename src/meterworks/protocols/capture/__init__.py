"""Packet captures (pcap and pcapng), sans-I/O: octets of a file in, packets and joined TCP streams out, and back."""

from meterworks.protocols.capture.file import Capture, Packet, is_capture, read_capture
from meterworks.protocols.capture.packet import Endpoint, Segment, Transport, read_segment
from meterworks.protocols.capture.stream import Chunk, StreamJoiner, read_chunks
from meterworks.protocols.capture.writer import CaptureWriter

__all__ = [
    "Capture",
    "CaptureWriter",
    "Chunk",
    "Endpoint",
    "Packet",
    "Segment",
    "StreamJoiner",
    "Transport",
    "is_capture",
    "read_capture",
    "read_chunks",
    "read_segment",
]
