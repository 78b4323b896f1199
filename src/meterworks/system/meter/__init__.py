"""Work on single meters beside the system: read, change, update, replay, be one. Each module is a door of its own."""

__all__: list[str] = []
