"""Sans-I/O protocol cores: bytes and commands in, events and bytes out. No sockets, clocks, chance, logs or stores."""

__all__: list[str] = []
