"""An authority for the field of key tests: a system's PKI behind its enrolment core, asked as the head-end asks it."""

import base64

from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.errors import RefusedError
from meterworks.headend import OwnCredentials
from meterworks.trust import FileKeyVault, KeyStore
from meterworks.trust.pki import (
    EnrolmentPlan,
    EstRequest,
    EstService,
    PeerRole,
    Provisioning,
    SystemPki,
    certificates_of,
    read_request,
)


class CoreCertifier:
    """Asks the enrolment core of a PKI by the clock of the meters, which judge by it."""

    def __init__(self, folder, clock):
        self.clock = clock
        self.pki = SystemPki.create(folder / "pki", vault(folder / "pki-vault"), now=clock.now())
        self.service = EstService(self.pki, Provisioning(self.pki.ledger), maker_anchors=self.pki.maker_anchors)
        self.peer = self.pki.issue_service(PeerRole.HEADEND, now=clock.now()).certificate.public_bytes(Encoding.DER)
        self.asked = 0

    async def certify(self, request, profile):
        self.asked += 1
        asked = EstRequest(
            method="POST", path=f"/.well-known/est/{profile}/simpleenroll", body=base64.encodebytes(request),
            content_type="application/pkcs10", peer=(self.peer,),
        )  # fmt: skip
        answer = self.service.prepare(asked, now=self.clock.now())
        if isinstance(answer, EnrolmentPlan):
            answer = self.service.complete(answer, now=self.clock.now())
        if answer.status != 200:
            raise RefusedError(answer.cause)
        key = read_request(request)
        return next(each for each in certificates_of(answer.body) if each.public_key() == key)


def vault(folder):
    return FileKeyVault(folder, KeyStore(bytes(range(32))))


def certified(field):
    """Give a field an authority, and its head-ends key pairs of their own."""
    certifier = CoreCertifier(field.folder, field.clock)
    (field.folder / "own").mkdir()
    field.certifier = certifier
    title = bytes.fromhex("4d57520000000001")
    field.own_keys = lambda: OwnCredentials(
        lambda: vault(field.folder / "vault"),
        field.folder / "own",
        certifier,
        system_title=title,
    )
    return certifier
