"""What production refuses: settings that are only safe on a machine of one's own. One table.

`system.production = true` asks for it. Every row is judged before anything starts, and one error names all that is
wrong.  Source: SECURITY fact sheet SEC-085; IEC 62443-4-2 CR 7.6 and CR 7.7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from meterworks.system.configuration import Configuration, Layout
from meterworks.system.endpoint import is_loopback
from meterworks.system.errors import UnsafeSettingsError
from meterworks.system.privilege import PRIVILEGES
from meterworks.system.vault import read_secret
from meterworks.trust import known_key

__all__ = ["RULES", "Rule", "refuse_known_secrets", "refuse_unsafe", "unsafe_settings"]

LIFETIME_H_MAX: Final = 31 * 24
CHECK_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting: whether it is safe, and what would happen if it were not kept."""

    setting: str
    is_safe: Callable[[Configuration], bool]
    danger: str


def _is_plain_postgresql(configuration: Configuration) -> bool:
    return bool(configuration.database.url) and not configuration.database.tls


def _holds_password(url: str) -> bool:
    try:
        return bool(url) and make_url(url).password is not None
    except ArgumentError:
        return True


def _all_tls(urls: str) -> bool:
    return all(url.strip().startswith("tls://") for url in urls.split(",") if url.strip())


def _secrets_apart(configuration: Configuration) -> bool:
    folder, data = configuration.vault.secret_folder, configuration.system.data
    return folder is not None and not folder.absolute().is_relative_to(data.absolute())


RULES: Final = (
    Rule("system.demo", lambda c: not c.system.demo, "accounts for demonstration would be there"),
    Rule("system.log_level", lambda c: c.system.log_level != "debug", "each message would be logged"),
    Rule(
        "web.tls",
        lambda c: c.web.tls or is_loopback(c.web.host),
        "passwords of people would cross a network in the clear",
    ),
    Rule("fleet.tls", lambda c: c.fleet.tls, "meters would be read without mutual TLS"),
    Rule("fleet.loopback_only", lambda c: c.fleet.loopback_only, "emulated meters would answer a network"),
    Rule("fleet.answer_delay_s", lambda c: not c.fleet.answer_delay_s, "a fault for tests would be on"),
    Rule("fleet.loss_probability", lambda c: not c.fleet.loss_probability, "a fault for tests would be on"),
    Rule("bus.url", lambda c: _all_tls(c.bus.url), "readings would cross a network in the clear"),
    Rule("database.tls", lambda c: not _is_plain_postgresql(c), "the database's server would not be verified"),
    Rule("database.url", lambda c: not _holds_password(c.database.url), "a password would stand in the settings"),
    Rule(
        "warehouse.catalog_url",
        lambda c: not _holds_password(c.warehouse.catalog_url),
        "a password would stand in the settings",
    ),
    Rule(
        "warehouse.s3_endpoint",
        lambda c: not c.warehouse.s3_endpoint or c.warehouse.s3_endpoint.startswith("https://"),
        "readings would cross a network in the clear",
    ),
    Rule("vault.secret_folder", _secrets_apart, "a copy of the data folder would open its own vaults"),
    Rule(
        "tls.lifetime_h",
        lambda c: 0 < c.tls.lifetime_h <= LIFETIME_H_MAX,
        "a stolen certificate would be good for long",
    ),
    Rule("tls.check_s", lambda c: 0 < c.tls.check_s <= CHECK_S_MAX, "a revoked certificate would be good for long"),
    Rule("clock.rate", lambda c: c.clock.rate == 1.0, "times of readings and of acts would not be true"),
)


def unsafe_settings(configuration: Configuration) -> list[Rule]:
    """The rules that the settings break."""
    return [rule for rule in RULES if not rule.is_safe(configuration)]


def refuse_unsafe(configuration: Configuration) -> None:
    """In production, raise UnsafeSettingsError with every setting that is not safe there."""
    broken = unsafe_settings(configuration) if configuration.system.production else []
    if broken:
        rows = "; ".join(f"{rule.setting}: {rule.danger}" for rule in broken)
        raise UnsafeSettingsError(
            f"not in production: {rows}. Change them (docs/operations-security.md), or leave system.production off",
            settings=[rule.setting for rule in broken],
        )


def refuse_known_secrets(layout: Layout) -> None:
    """In production, raise UnsafeSettingsError for a vault's secret that everyone knows. Raises KeyFileError."""
    if not layout.configuration.system.production:
        return
    vaults = sorted({row.vault for row in PRIVILEGES.values() if row.vault is not None})
    known = [name for name in vaults if known_key(read_secret(layout, name))]
    if known:
        raise UnsafeSettingsError(
            f"the secret of {', '.join(known)} is one that everyone knows: write another one to"
            f" {layout.secrets}/<vault>.secret",
            vaults=known,
        )
