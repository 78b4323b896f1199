"""Who may do what, written by hand from the source documents, never from the product's own table.

GB service requests (user groups and which group a request is for): suppliers of import, export and gas read and command
what they supply; a supplier's agent looks after equipment and reads no usage; distributor and transporter read their
networks' points; other users see what the consumer allows.M/441 (SMCG): a meter operator provides, installs and
maintains; a data collector reads for others; a consumer sees their own. BSI TR-03109: a gateway administrator
configures and reads nobody's usage. Requirements 28, 29, 64, 65, 68, 69 and 95: deny by default, registration and
consent decide, only an auditor reads the trail of what was done, only the operator administers.

Cells, one a role in the order of ROLES:
  A  let in, whatever the object     R  let in on one's own object, and told of no other
  r  if let in at all, then on one's own object alone            -  refused
"""

from collections.abc import Iterator

from meterworks.catalogue import Role

ROLES = (
    *(Role.OPERATOR, Role.METER_OPERATOR, Role.DATA_COLLECTOR, Role.GATEWAY_ADMINISTRATOR, Role.INSTALLER),
    *(Role.AUDITOR, Role.SUPPLIER, Role.IMPORT_SUPPLIER, Role.EXPORT_SUPPLIER, Role.GAS_SUPPLIER, Role.SUPPLIER_AGENT),
    *(Role.NETWORK_OPERATOR, Role.ELECTRICITY_DISTRIBUTOR, Role.GAS_TRANSPORTER, Role.OTHER_USER),
    *(Role.EXTERNAL_PARTICIPANT, Role.CONSUMER),
)

#   {point}, {device}: one's own, a stranger's                 op mo dc ga in au  su is es gs sa  no ed gt  ou ex  co
_API = """
    GET    /metering-points/{point}                       | A  R  R  R  R  -   R  R  R  R  R   R  R  R   r  r   R
    GET    /metering-points/{point}/readings              | A  -  R  -  -  -   R  R  r  R  -   R  R  R   r  r   R
    GET    /metering-points/{point}/last                  | A  -  R  -  -  -   R  R  r  R  -   R  R  R   r  r   R
    GET    /metering-points/{point}/accesses              | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   R
    GET    /devices/{device}                              | A  R  R  R  R  -   R  R  R  R  R   R  R  R   r  r   R
    GET    /devices/{device}/readings                     | A  -  R  -  -  -   R  R  r  R  -   R  R  R   r  r   R
    GET    /devices/{device}/last                         | A  -  R  -  -  -   R  R  r  R  -   R  R  R   r  r   R
    GET    /devices/{device}/events                       | A  R  R  R  R  -   R  R  r  R  R   R  R  R   -  -   -
    GET    /devices/{device}/sessions                     | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /devices/{device}/keys                         | A  r  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    POST   /devices/{device}/reads                        | A  R  R  -  R  -   R  R  -  R  -   R  R  R   -  -   -
    POST   /devices/{device}/release                      | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -

    GET    /metering-points                               | A  R  R  R  R  -   R  R  R  R  R   R  R  R   r  r   R
    GET    /devices                                       | A  R  R  R  R  -   R  R  R  R  R   R  R  R   r  r   R
    GET    /registrations                                 | A  R  R  R  R  A   R  R  R  R  R   R  R  R   r  r   -
    GET    /organisations                                 | A  R  R  R  R  A   R  R  R  R  R   R  R  R   r  r   -
    GET    /consumers                                     | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    GET    /events                                        | A  R  R  R  R  -   R  R  r  R  R   R  R  R   -  -   -
    GET    /load                                          | A  -  -  -  -  -   -  -  -  -  -   R  R  R   -  -   -
    GET    /channels                                      | A  -  R  -  -  -   R  R  r  R  -   R  R  R   r  r   R

    POST   /metering-points                               | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /devices                                       | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /installations                                 | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /shipments                                     | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /organisations                                 | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /organisations/{organisation}/admissions       | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /organisations/{organisation}/suspension       | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /registrations                                 | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /consumers                                     | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /occupancies                                   | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /organisations/{organisation}/admissions       | A  r  r  r  r  A   r  r  r  r  r   r  r  r   r  r   -

    GET    /collection/summary                            | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /collection/runs                               | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /collection/missing                            | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /collection/sessions                           | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -

    GET    /users                                         | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    POST   /users                                         | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    DELETE /users/nobody                                  | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    DELETE /users/nobody/factors                          | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /approvals                                     | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    POST   /role-grants                                   | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /break-glass                                   | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    POST   /approvals/999/approval                        | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /approvals/999/refusal                         | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /approvals/999/end                             | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -

    GET    /audit/records                                 | -  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /audit/records/1/proof                         | -  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /audit/hours                                   | -  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -

    GET    /key-campaigns                                 | A  r  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /key-campaigns/999                             | A  r  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    POST   /key-campaigns                                 | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /key-campaigns/999                             | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -

    GET    /purposes                                      | A  r  r  r  r  A   r  r  r  r  -   r  r  r   r  r   R
    GET    /consents                                      | A  r  r  r  r  A   r  r  r  r  -   r  r  r   r  r   R
    POST   /consents                                      | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    POST   /consents/none/confirmation                    | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    POST   /consent-proposals                             | -  r  r  r  r  -   r  r  r  r  -   r  r  r   r  r   -
    DELETE /consents/none                                 | A  r  r  r  r  -   r  r  r  r  -   r  r  r   r  r   R
    GET    /own-data                                      | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    PATCH  /own-data                                      | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    POST   /own-data/erasure                              | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    GET    /consumers/999/data                            | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    POST   /consumers/999/erasure                         | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    GET    /privacy/erasures                              | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /privacy/register                              | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /privacy/deletions                             | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /privacy/holds                                 | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    POST   /privacy/holds                                 | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
    DELETE /privacy/holds/999                             | A  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   -
"""

_PORTAL = """
    GET    /home                                          | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    GET    /home/privacy                                  | -  -  -  -  -  -   -  -  -  -  -   -  -  -   -  -   R
    GET    /points                                        | A  r  r  r  r  -   R  R  r  R  r   R  R  R   r  r   r
    GET    /parties                                       | A  -  -  -  -  r   -  -  -  -  -   -  -  -   -  -   -
    GET    /approvals                                     | A  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /audit                                         | -  -  -  -  -  A   -  -  -  -  -   -  -  -   -  -   -
    GET    /account                                       | R  R  R  R  R  R   R  R  R  R  R   R  R  R   R  R   R
"""

# One's own account and login: everybody has them, and no other object is in them.
OWN_ACCOUNT = ("/account/", "/tokens", "/health", "/openapi.json")


def rows(text: str) -> Iterator[tuple[str, str, dict[Role, str]]]:
    """Method, path and the verdict of each role."""
    for line in filter(str.strip, text.splitlines()):
        operation, _, cells = line.partition("|")
        method, path = operation.split()
        verdicts = cells.split()
        assert len(verdicts) == len(ROLES), line
        yield method, path, dict(zip(ROLES, verdicts, strict=True))


API = tuple(rows(_API))
PORTAL = tuple(rows(_PORTAL))
