"""Seeded defects of the running system's trust."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tests.security.seeded import Defect, Plant, replaced

from meterworks.runtime import BusRight, BusSettings, DatabaseSettings
from meterworks.system import baseline, configuration, endpoint, identity, privilege, vault
from meterworks.system.occupied import Endpoint
from meterworks.system.privilege import PRIVILEGES
from meterworks.system.serving import listener
from meterworks.system.serving.process import Ground
from meterworks.trust.tls import Guard, peer_of

__all__ = ["DEFECTS"]


def _row(owner: object, name: str, **changes: Any) -> Plant:
    """One row of the table of rights is another one, as a module sees it."""
    return replaced(owner, "PRIVILEGES", MappingProxyType({**PRIVILEGES, name: replace(PRIVILEGES[name], **changes)}))


def _told(named: str, **changes: Any) -> Plant:
    """One endpoint is told otherwise."""
    return replaced(
        endpoint,
        "Endpoint",
        lambda **facts: Endpoint(**(facts | changes if facts["purpose"] == named else facts)),
    )


def _allowing_all_where_empty(right: BusRight) -> dict[str, Any]:
    return {
        "user": right.identity,
        "permissions": {"publish": {"allow": list(right.publish)}, "subscribe": {"allow": list(right.subscribe)}},
    }


_WEB = PRIVILEGES["web"]

DEFECTS: tuple[Defect, ...] = (
    Defect(
        "the portal may ask anything of the head-end",
        "test_each_subject_is_published_by_those_whose_business_it_is",
        _row(privilege, "web", publish=(*_WEB.publish, "headend.anything")),
    ),
    Defect(
        "the portal hears what others are asked",
        "test_each_subject_is_heard_by_those_whose_business_it_is",
        _row(privilege, "web", subscribe=(*_WEB.subscribe, "readings.status")),
    ),
    Defect(
        "all answers come to one inbox",
        "test_answers_come_where_nobody_else_listens",
        replaced(privilege, "inbox_prefix", lambda _name: "_INBOX_web"),
    ),
    Defect(
        "an empty list of rights is told as it is",
        "test_an_identity_without_rights_is_allowed_nothing",
        replaced(BusRight, "as_user", _allowing_all_where_empty),
    ),
    Defect(
        "identities do not tell the role",
        "test_each_identity_is_named_once_and_by_its_role",
        replaced(privilege, "uri_of", lambda name: f"urn:meterworks:service:{name}"),
    ),
    Defect(
        "the emulated meters are handed the authorities' secret",
        "test_a_process_is_handed_the_secret_of_its_own_vault_only",
        _row(vault, "fleet", vault="pki"),
    ),
    Defect(
        "a vault is opened with any secret that lies about",
        "test_a_process_opens_no_vault_whose_secret_it_was_not_handed",
        replaced(vault, "open_vault", lambda _layout, name, _given=None: name),
    ),
    Defect(
        "the ground asks for no right",
        "test_ground_gives_no_store_without_right",
        replaced(Ground, "_require", lambda _self, _store: None),
    ),
    Defect(
        "production takes a clock that runs fast",
        "test_production_refuses_each_unsafe_setting",
        replaced(baseline, "RULES", tuple(rule for rule in baseline.RULES if rule.setting != "clock.rate")),
    ),
    Defect(
        "production refuses an encrypted database",
        "test_production_takes_what_is_safe",
        replaced(
            baseline, "RULES", (*baseline.RULES, baseline.Rule("database.tls", lambda c: not c.database.tls, "none"))
        ),
    ),
    Defect(
        "no secret is known",
        "test_production_refuses_a_secret_that_everyone_knows",
        replaced(baseline, "known_key", lambda _key: ""),
    ),
    Defect(
        "an endpoint nobody wrote down",
        "test_each_endpoint_is_documented_and_each_documented_one_is_there",
        _told("message bus", purpose="debugging"),
    ),
    Defect(
        "the bus listens on every network",
        "test_nothing_listens_beyond_this_machine_unless_configured",
        _told("message bus", host="0.0.0.0"),
    ),
    Defect(
        "pushes come in the clear",
        "test_only_documented_exceptions_talk_without_certificates",
        _told("head-end's push port", interface=None),
    ),
    Defect(
        "any role may come to the market",
        "test_the_market_hears_nothing_of_a_peer_in_another_role",
        replaced(Guard, "judge", lambda _self, connection, _identity=None, **_where: peer_of(connection)),
    ),
    Defect(
        "the portal stands behind the market's listener too",
        "test_the_market_listener_serves_the_api_only",
        replaced(listener, "below", lambda _prefix, application: application),
    ),
    Defect(
        "any process may stand for the bus",
        "test_a_process_refuses_a_bus_that_shows_another_role",
        replaced(configuration, "_is_bus", lambda _connection: None),
    ),
    Defect(
        "the bus is joined in the clear",
        "test_the_bus_is_joined_over_tls_by_every_process",
        replaced(configuration, "BusSettings", lambda **given: BusSettings(**(given | {"tls": None}))),
    ),
    Defect(
        "the database is joined in the clear",
        "test_an_outside_database_is_joined_over_tls_with_its_name_checked",
        replaced(configuration, "DatabaseSettings", lambda **given: DatabaseSettings(**(given | {"tls": None}))),
    ),
    Defect(
        "the bus keeps the revoked",
        "test_the_bus_admits_no_certificate_that_is_revoked",
        replaced(identity, "_revoked", lambda _crl_pem: set()),
    ),
    Defect(
        "nobody looks at the revocation list again",
        "test_the_bus_is_told_of_a_change_once",
        replaced(identity, "_stamp_of", lambda _path: None),
    ),
    Defect(
        "certificates are renewed when it is nearly too late",
        "test_a_certificate_is_short_lived_and_replaced_before_its_last_third",
        replaced(identity, "RENEWED_AFTER", 0.95),
    ),
)
