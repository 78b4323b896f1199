"""Judging what others made: conformance of DLMS/COSEM servers and clients, test vectors of a folder."""
