"""Who may do what, written by hand from the source documents, role by role, and apart from the product's own table.

Source of each paragraph in its comment. "registered": at metering points the organisation is registered for, while it
is. What is named nowhere is refused.
"""

from meterworks.catalogue import Role

__all__ = ["DANGEROUS", "PRIVILEGED", "VERDICTS"]

OWN_ACCOUNT = dict.fromkeys(("account.manage", "factor.change", "token.manage", "token.issue"), "own")
SEES = dict.fromkeys(("device.read", "installation.read", "usage-point.read", "registration.read"), "registered")
PARTY = {**OWN_ACCOUNT, **SEES, "organisation.read": "own"}
USES_DATA = dict.fromkeys(("consent.read", "consent.record", "consent.withdraw"), "own")
READS = {**USES_DATA, **dict.fromkeys(("reading.read", "reading.export", "event.read", "meter.read-now"), "registered")}

# The GB service request matrix: import and gas suppliers and network parties read profiles (4.8, 4.17), registers on
# demand (4.1), network data (4.10) and event logs (6.13).
SUPPLIES = {**PARTY, **READS}
RUNS_A_NETWORK = {**PARTY, **READS, "load.read": "registered"}
# An other user reads profiles, too (4.8, 4.17), by consent; no event log, no reading of the meter itself. So does the
# external market participant of BSI TR-03109.
BY_CONSENT = {**PARTY, **USES_DATA, "reading.read": "consented", "reading.export": "consented"}

ADMINISTERS = (
    *("device.read", "device.add", "device.import", "device.change", "installation.read", "installation.change"),
    *("usage-point.read", "usage-point.add", "usage-point.change", "reading.read", "reading.export", "load.read"),
    *("event.read", "meter.read-now", "meter.release", "meter.set-clock", "session.read", "collection.read"),
    *("collection.start", "organisation.read", "organisation.manage", "organisation.admit", "registration.read"),
    *("registration.change", "consumer.read", "consumer.manage", "user.read", "user.manage", "role.ask"),
    *("break-glass.ask", "approval.decide", "approval.read", "access-log.read", "metrics.read", "configuration.read"),
    *("consent.read", "consent.withdraw", "consumer.export", "consumer.erase", "retention.read", "retention.manage"),
    *("key.read", "key.rotate"),
)
AUDITS = (
    *("organisation.read", "registration.read", "user.read", "approval.read", "access-log.read", "configuration.read"),
    *("break-glass.ask", "consent.read", "retention.read", "audit.read", "key.read"),
)
LIVES_THERE = (
    *("device.read", "installation.read", "usage-point.read", "reading.read", "reading.export", "consumer.read"),
    *("access-log.read", "consent.read", "consent.give", "consent.withdraw"),
    *("own-data.export", "own-data.correct", "own-data.erase"),
)

VERDICTS = {
    # M/441: whoever operates head-end and meter data management.
    Role.OPERATOR: {**OWN_ACCOUNT, **dict.fromkeys(ADMINISTERS, "all"), "token.manage": "all"},
    # SECURITY.md SEC-095: records are read by a role of their own, which does nothing else.
    Role.AUDITOR: {**OWN_ACCOUNT, **dict.fromkeys(AUDITS, "all")},
    # M/441 terms: installs and maintains; needs to see that the meter works, not what was used when.
    # Maintains the equipment, and so sees how old its keys are and which state they are in, never a key.
    Role.METER_OPERATOR: {
        **PARTY, "event.read": "registered", "meter.read-now": "registered", "key.read": "registered",
    },
    Role.INSTALLER: {**PARTY, "event.read": "registered", "meter.read-now": "registered"},
    # M/441 terms: reads for others.
    Role.DATA_COLLECTOR: {
        **PARTY, **dict.fromkeys(("reading.read", "reading.export", "event.read", "meter.read-now"), "registered"),
    },
    # BSI TR-03109: sees configuration and events, never readings.
    Role.GATEWAY_ADMINISTRATOR: {**PARTY, "event.read": "registered"},
    Role.SUPPLIER: SUPPLIES,
    Role.IMPORT_SUPPLIER: SUPPLIES,
    Role.GAS_SUPPLIER: SUPPLIES,
    # An export supplier reads export registers and profiles (4.6.2, 4.8.3), and no channel of what is taken.
    Role.EXPORT_SUPPLIER: {**PARTY, **USES_DATA, **dict.fromkeys(("reading.read", "reading.export"), "registered")},
    # A registered supplier agent: device configuration (6.2) and event logs (6.13), no readings.
    Role.SUPPLIER_AGENT: {**PARTY, "event.read": "registered"},
    Role.NETWORK_OPERATOR: RUNS_A_NETWORK,
    Role.ELECTRICITY_DISTRIBUTOR: RUNS_A_NETWORK,
    Role.GAS_TRANSPORTER: RUNS_A_NETWORK,
    Role.OTHER_USER: BY_CONSENT,
    Role.EXTERNAL_PARTICIPANT: BY_CONSENT,
    Role.CONSUMER: {**OWN_ACCOUNT, **dict.fromkeys(LIVES_THERE, "own")},
}  # fmt: skip

PRIVILEGED = {
    *("device.add", "device.import", "device.change", "installation.change", "usage-point.add", "usage-point.change"),
    *("meter.read-now", "meter.release", "meter.set-clock", "collection.start", "organisation.manage"),
    *("organisation.admit", "registration.change", "consumer.manage", "user.manage", "role.ask", "break-glass.ask"),
    *("approval.decide", "consumer.export", "consumer.erase", "retention.manage"),
    "key.rotate",
}
"""What administers or commands (SEC-028)."""

DANGEROUS = {
    *("device.import", "organisation.admit", "factor.change", "token.issue", "user.manage", "role.ask"),
    *("break-glass.ask", "approval.decide", "consumer.export", "consumer.erase", "key.rotate"),
}
"""What a stolen session must not do (SEC-029)."""
