"""Wiring of the system: configuration, migrations, supervision."""
