"""The `meterworks` command: it parses and prints; the work is done by functions of the floors below."""
