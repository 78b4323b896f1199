"""The catalogue of security-relevant acts: what is recorded, and what may not happen unrecorded.

One row an act. *must* says that the act is privileged: who is about to do it records it first and refuses where that is
impossible; the record is sealed by a signed head at once. *keeps* says that the record stays when storage runs full:
those that do not keep go first, oldest first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from meterworks.trust.audit.errors import AuditUsageError

__all__ = ["ACTS", "Act", "act_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One kind of act. `family`: the kind of event SEC-089 asks for, by which people filter."""

    name: str
    family: str
    must_record: bool
    keeps: bool
    meaning: str


#   act                   | family         | must | keeps | what happened
_ACTS = """
    login.succeeded       | authentication | no   | yes   | somebody proved who they are
    login.failed          | authentication | no   | yes   | a name and password, factor or certificate did not fit
    login.locked          | authentication | no   | yes   | too many failures: further attempts are put off
    logout.done           | authentication | no   | no    | a session was ended by its owner
    factor.enrolled       | authentication | yes  | yes   | a second factor or passkey was added to an account
    factor.removed        | authentication | yes  | yes   | a second factor or passkey was taken from an account
    step_up.succeeded     | authentication | no   | yes   | a second factor was shown for a privileged act
    step_up.failed        | authentication | no   | yes   | the second factor shown for a privileged act did not fit

    access.refused        | authorisation  | no   | yes   | an operation was refused: role, scope or object
    access.elevated       | authorisation  | no   | yes   | an operation beyond the role was done by an emergency access
    role.granted          | account        | yes  | yes   | a role was granted: one person asked, another approved

    token.issued          | account        | yes  | yes   | a token was made
    token.revoked         | account        | no   | yes   | a token was taken back
    account.created       | account        | yes  | yes   | an account was made
    account.changed       | account        | yes  | yes   | role, state or tie of an account was changed
    password.changed      | account        | yes  | yes   | an account's password was changed
    breakglass.opened     | account        | yes  | yes   | two people opened an emergency access
    breakglass.closed     | account        | no   | yes   | an emergency access ended

    organisation.created  | organisation   | yes  | yes   | a market organisation was entered
    organisation.admitted | organisation   | yes  | yes   | an organisation's assessment was recorded
    organisation.suspended | organisation   | no   | yes   | an organisation may act no more until it is admitted again
    registration.changed  | organisation   | yes  | yes   | who serves a usage point, from when
    consumer.changed      | organisation   | yes  | yes   | who a consumer is or where they live, from when

    reading.accessed      | access         | no   | no    | readings of a usage point were given out
    data.exported         | export         | yes  | yes   | all data of a consumer, or a backup, were given out
    consent.given         | privacy        | yes  | yes   | a consumer agreed to a purpose
    consent.withdrawn     | privacy        | yes  | yes   | a consumer withdrew an agreement
    erasure.approved      | privacy        | yes  | yes   | a consumer's data are to be erased
    data.erased           | privacy        | yes  | yes   | personal data were erased
    hold.set              | privacy        | yes  | yes   | data stay whatever their limit says
    hold.released         | privacy        | yes  | yes   | limits count again
    data.retired          | privacy        | no   | yes   | data were deleted because their time was over

    meter.read            | command        | yes  | yes   | a person had a meter read now
    collection.released   | command        | yes  | yes   | a quarantined device was taken back into collection
    clock.set             | time           | no   | yes   | a device's clock was set
    clock.drifted         | time           | no   | yes   | a device's clock was further off than allowed
    clock.stepped         | time           | no   | yes   | the machine's clock went backwards while acts were recorded
    supply.changed        | supply         | no   | yes   | a device told that its supply was switched off or on

    device.refused        | verification   | no   | yes   | a device refused our association
    device.wrong_key      | verification   | no   | yes   | a message failed its tag, signature or key
    device.replay         | verification   | no   | yes   | a message came with a used counter
    device.identity_mismatch | verification   | no   | yes   | a device is not the one expected there
    device.quarantined    | verification   | no   | yes   | a device is left alone after repeated failures
    device.tampered       | tamper         | no   | yes   | a device told of tampering
    device.event          | device         | no   | no    | any other security event a device told of
    peer.refused          | verification   | no   | yes   | a connection was refused: certificate, role or protocol

    shipment.accepted     | inventory      | yes  | yes   | a maker's shipment was taken in
    shipment.refused      | inventory      | no   | yes   | a shipment's seal or content did not hold
    device.commissioned   | inventory      | no   | yes   | a device uses our certificates; its maker's were revoked
    usage_point.added     | inventory      | yes  | yes   | a usage point was entered
    device.added          | inventory      | yes  | yes   | a device was entered by a person, without a shipment
    device.installed      | inventory      | yes  | yes   | a device was installed at a usage point
    device.removed        | inventory      | yes  | yes   | a device was taken from a usage point

    key.generated         | key            | yes  | yes   | a key was made
    key.change_failed     | key            | no   | yes   | a device's key was not replaced
    key.escrowed          | key            | yes  | yes   | a key was laid down with its keepers
    key.recovered         | key            | yes  | yes   | a key was recovered from its keepers
    key.exhausting        | key            | no   | yes   | a counter nears its end
    key.rotated           | key            | no   | yes   | a device proved its new keys; the old ones were retired
    key.fell_back         | key            | no   | yes   | a device answered under the keys before its present ones
    key.known             | key            | no   | yes   | a device has a key that everyone knows
    policy.raised         | key            | no   | yes   | a device asks for more protection than before
    campaign.started      | key            | yes  | yes   | a campaign over many devices was started
    campaign.changed      | key            | yes  | yes   | a campaign was held, resumed or ended
    certificate.issued    | certificate    | yes  | yes   | a certificate was issued
    certificate.refused   | certificate    | no   | yes   | a request for a certificate was refused
    certificate.revoked   | certificate    | yes  | yes   | a certificate was revoked
    certificate.expiring  | certificate    | no   | yes   | a certificate nears its end and has no successor
    crl.published         | certificate    | no   | yes   | a revocation list was published
    root.changed          | certificate    | yes  | yes   | a trust anchor was added, replaced or removed
    firmware.activated    | firmware       | no   | yes   | a device told that it runs another image
    firmware.refused      | firmware       | no   | yes   | a device told that it refused an image

    process.started       | system         | no   | yes   | a process of the system began to serve
    process.stopped       | system         | no   | yes   | a process of the system ended in order
    process.failed        | system         | no   | yes   | a process of the system ended by itself
    backup.restored       | system         | no   | yes   | the system goes on from a backup
    configuration.loaded  | system         | no   | yes   | the settings a start runs with, by digest

    audit.opened          | audit          | no   | yes   | the trail begins
    audit.resumed         | audit          | no   | yes   | the appender took up the trail again
    audit.read            | audit          | no   | yes   | somebody looked at the trail
    audit.verified        | audit          | no   | yes   | somebody had the trail verified
    audit.warning         | audit          | no   | yes   | the trail nears its storage limit
    audit.dropped         | audit          | no   | yes   | records went because storage was full
    audit.pruned          | audit          | yes  | yes   | an exported part of the trail was taken out of the database
    audit.spool_dropped   | audit          | no   | yes   | a process could not keep acts while the appender was away
    readings.anchored     | evidence       | no   | yes   | the state of the book that says where readings came from
    evidence.kept         | evidence       | no   | yes   | original octets were archived
    evidence.shown        | evidence       | no   | yes   | somebody was shown archived octets
"""


def _table() -> Mapping[str, Act]:
    acts: dict[str, Act] = {}
    for line in filter(str.strip, _ACTS.splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        name, family, must, keeps, meaning = cells
        if name in acts or {must, keeps} - {"yes", "no"}:
            raise AuditUsageError(
                f"the row of the act {name} stands there twice or answers neither yes nor no", act=name
            )
        acts[name] = Act(name=name, family=family, must_record=must == "yes", keeps=keeps == "yes", meaning=meaning)
    return MappingProxyType(acts)


ACTS: Mapping[str, Act] = _table()


def act_of(name: str) -> Act:
    """The row of an act. Raises AuditUsageError for one that stands in no table."""
    try:
        return ACTS[name]
    except KeyError as error:
        raise AuditUsageError(f"there is no act {name!r}: add its row to the table of acts", act=name) from error
