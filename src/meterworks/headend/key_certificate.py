"""The tasks that replace certificates: the device's own, with new key pairs, and ours that it holds.

A device's certificate, for each kind of key pair that a campaign names:

    pair     it makes a new pair, which waits: the one in force serves until its successor is brought
    request  it gives a certification request, which proves possession; what it says is checked
    issue    the system's authority for devices certifies the key; the certificate is stored before it is sent
    import   it is brought to the device, which puts the pair in force with it
    shown    the device shows the certificate it holds, and signs with the key: a request of the pair in force; with a
             signing pair it answers a signed message by one as well, where it holds our certificate and speaks so
    old      what the device still lists of the same use is removed; in the registry the old one is replaced

Each step can be asked for again: a second pair takes the place of the first that waits, the authority gives the same
certificate for the same key, a certificate brought twice is held once. So nothing a lost answer leaves open is harmful,
and after it the device is asked what it holds.  Source: SEC-122, SEC-124, SEC-127; Security setup (class 64).
"""

from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.errors import MeterworksError, PeerError, RefusedError
from meterworks.headend.device import SignedTalk
from meterworks.headend.errors import CertificateUnfitError
from meterworks.headend.key_exchange import SECURITY_SUITE, record_with
from meterworks.headend.key_identity import Certifier, OwnKeys, public_point
from meterworks.headend.key_job import KeyEvent, KeyJobState
from meterworks.headend.key_run import KeyAccess, KeyDoor, KeyRun
from meterworks.headend.key_security_setup import CertificateOwner, MeterCertificates, pair_use
from meterworks.headend.visitor import released
from meterworks.protocols.dlms import SecuritySuite, Signer
from meterworks.protocols.errors import ServiceRefused, SignatureError
from meterworks.registry import KeyHand, KeyKind, KeyOrigin, NewKey
from meterworks.runtime import get_logger
from meterworks.trust import KnownKeyError, refuse_known_key_pair
from meterworks.trust.pki import CertificateRequestError, EnrolmentRefused, read_request

__all__ = ["CERTIFICATE_KINDS", "CertificateRenewal", "ClientCertificate"]

log = get_logger("headend.key_certificate")

CERTIFICATE_KINDS: Final = (KeyKind.SIGNING, KeyKind.AGREEMENT, KeyKind.TLS)
_PROFILES: Final = {KeyKind.SIGNING: "signature", KeyKind.AGREEMENT: "agreement", KeyKind.TLS: "tls"}
_CURVES: Final = {SecuritySuite.SUITE_1: ec.SECP256R1.name, SecuritySuite.SUITE_2: ec.SECP384R1.name}
PAIR, IMPORT = "pair", "import"
_LASTING: Final = (ServiceRefused, CertificateUnfitError, CertificateRequestError, EnrolmentRefused, KnownKeyError)


class CertificateRenewal:
    """Gives devices new key pairs and certificates."""

    def __init__(self, access: KeyAccess, certifier: Certifier | None, own: OwnKeys | None = None) -> None:
        """certifier: who has keys certified; None: jobs fail and say so. own: our keys, for signed messages."""
        self._access = access
        self._certifier = certifier
        self._own = own

    async def round(self, run: KeyRun, door: KeyDoor) -> bool:
        """Replace the certificate of one kind, from wherever it was left. True when the job is over."""
        access = self._access
        if run.device.suite == SecuritySuite.SUITE_0 or self._certifier is None:
            what = "is in suite 0, which has no key pairs" if self._certifier else "cannot be certified: no authority"
            await access.fail(run, f"the device {what}")
            return True
        link, held = await access.open_known(run, door)
        run.device = record_with(run.device, held)
        kind = _current(run)
        meter = MeterCertificates(link)
        try:
            certificate = await self._replace(run, meter, kind)
            signer = await self._known_signer(run, meter) if kind is KeyKind.SIGNING else None
            await released(link)
            await door.close(link)
            if signer is not None:
                await self._prove_signed(run, door, signer, certificate)
            await self._finish(run, kind, certificate)
        except _LASTING as error:
            now = access.clock.now()
            await access.fail(run, str(error), change=lambda hand: hand.abandoned(now, (kind,)))
        finally:
            await door.close(link)
        return not run.job.is_open

    async def _replace(self, run: KeyRun, meter: MeterCertificates, kind: KeyKind) -> x509.Certificate:
        """Bring a new certificate into the device, from wherever that was left, and see that it signs with its key."""
        if kind not in run.hand.pending():
            await self._make_pair(run, meter, kind)
            await self._certify(run, meter, kind)
        der = run.hand.pending()[kind].certificate or b""
        await self._bring(run, meter, kind, der)
        certificate = x509.load_der_x509_certificate(der)
        await self._prove(run, meter, kind, certificate)
        await _remove_others(meter, CertificateOwner.DEVICE, pair_use(kind), certificate)
        return certificate

    async def _make_pair(self, run: KeyRun, meter: MeterCertificates, kind: KeyKind) -> None:
        """A new pair; the one whose making was answered is taken up again."""
        if run.job.step == f"{kind}:{PAIR}" and run.job.state is KeyJobState.ANSWERED:
            return
        if run.job.is_half_done:
            await self._access.write(run, events=(KeyEvent.STILL_OLD,))
        await self._access.write(run, events=(KeyEvent.SENDING,), step=f"{kind}:{PAIR}")
        await meter.generate(pair_use(kind))
        await self._access.write(run, events=(KeyEvent.ANSWERED,))

    async def _certify(self, run: KeyRun, meter: MeterCertificates, kind: KeyKind) -> None:
        """Fetch the request, check it, and have it certified; the certificate is stored before it is sent."""
        assert self._certifier is not None
        request = await meter.request(pair_use(kind))
        key = _checked_request(run, kind, request)
        made = await self._certifier.certify(request, f"dlms-{run.device.suite}-{_PROFILES[kind]}")
        if made.public_key() != key:
            raise _unfit(run, kind, "the authority certified another key than was asked for")
        der = made.public_bytes(Encoding.DER)
        now = self._access.clock.now()

        def change(hand: KeyHand) -> KeyHand:
            return hand.prepared({kind: NewKey(certificate=der)}, KeyOrigin.CERTIFIED, "", now)

        await self._access.write(run, events=(KeyEvent.MADE,), step=f"{kind}:{IMPORT}", change=change)

    async def _bring(self, run: KeyRun, meter: MeterCertificates, kind: KeyKind, der: bytes) -> None:
        """Have the device hold the certificate, which it may do already; it shows what it holds."""
        title, use = run.device.system_title, pair_use(kind)
        if run.job.is_half_done and await meter.shown(CertificateOwner.DEVICE, use, title) == der:
            if run.job.state is KeyJobState.SENT:
                await self._access.write(run, events=(KeyEvent.ANSWERED,))
            return
        if run.job.is_half_done:
            await self._access.write(run, events=(KeyEvent.STILL_OLD,))
        await self._access.write(run, events=(KeyEvent.SENDING,), step=f"{kind}:{IMPORT}")
        await meter.bring(der)
        await self._access.write(run, events=(KeyEvent.ANSWERED,))
        if await meter.shown(CertificateOwner.DEVICE, use, title) != der:
            raise _unfit(run, kind, "the device shows another certificate than it was brought")

    async def _prove(self, run: KeyRun, meter: MeterCertificates, kind: KeyKind, certificate: x509.Certificate) -> None:
        """Have the device sign with the pair that is in force: no other waits any more, so a request is of this one."""
        key = read_request(await meter.request(pair_use(kind)))
        if key != certificate.public_key():
            raise _unfit(run, kind, "the device signs with another key than it was certified for")

    async def _known_signer(self, run: KeyRun, meter: MeterCertificates) -> Signer | None:
        """Our key pair whose certificate the device holds; None where it holds none and takes none."""
        suite = SecuritySuite(run.device.suite)
        if self._own is None:
            return None
        await _get_ready(self._own, suite)
        pairs = dict(zip(self._own.certificates(suite), self._own.signers(suite), strict=True))
        use = pair_use(KeyKind.SIGNING)
        try:
            shown = await meter.shown(CertificateOwner.CLIENT, use, self._own.system_title)
            if pairs and shown not in pairs:
                shown = next(iter(pairs))
                await meter.bring(shown)
        except ServiceRefused as error:
            log.info("device takes no certificate of ours", device=run.device.device_id, reason=str(error))
            return None
        return None if shown is None else pairs.get(shown)

    async def _prove_signed(self, run: KeyRun, door: KeyDoor, signer: Signer, certificate: x509.Certificate) -> None:
        """Have a signed message answered by one: the core verifies it with the certified key, or breaks off."""
        access = self._access
        before = run.device
        key = public_point(certificate.public_bytes(Encoding.DER))
        run.device = replace(before, signed=SignedTalk(signer, key))
        try:
            link = await access.open_present(run, access.present(run), door)
            try:
                await link.get(SECURITY_SUITE)
                await released(link)
            finally:
                await door.close(link)
        except SignatureError as error:
            raise _unfit(run, KeyKind.SIGNING, f"a signed answer is not of the certified key: {error}") from error
        except (RefusedError, PeerError) as error:  # it speaks no signed messages: its signed request stands
            log.info("device answers no signed message", device=before.device_id, reason=error.code)
        finally:
            run.device = before

    async def _finish(self, run: KeyRun, kind: KeyKind, certificate: x509.Certificate) -> None:
        now = self._access.clock.now()
        following = _following(run, kind)
        event = KeyEvent.PROVED if following is None else KeyEvent.NEXT
        step = None if following is None else f"{following}:"
        await self._access.write(run, events=(event,), step=step, change=lambda hand: hand.put_in_force((kind,), now))
        detail = f"{kind} certificate replaced, valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
        self._access.news(run, "key-changed", f"{detail}: {run.campaign.purpose}")


class ClientCertificate:
    """Gives devices our newest certificate, by which they verify what we sign."""

    def __init__(self, access: KeyAccess, own: OwnKeys | None) -> None:
        self._access = access
        self._own = own

    async def round(self, run: KeyRun, door: KeyDoor) -> bool:
        """Bring it, unless the device has it, and see that it shows it. Always over, or broken off."""
        access = self._access
        suite = SecuritySuite(run.device.suite)
        if self._own is not None and suite != SecuritySuite.SUITE_0:
            await _get_ready(self._own, suite)
        own = None if self._own is None else next(iter(self._own.certificates(suite)), None)
        if self._own is None or own is None:
            await access.fail(run, f"we have no certificate of suite {int(suite)}")
            return True
        link, held = await access.open_known(run, door)
        run.device = record_with(run.device, held)
        try:
            await self._bring(run, MeterCertificates(link), self._own.system_title, own)
            await released(link)
        except _LASTING as error:
            await access.fail(run, str(error))
        finally:
            await door.close(link)
        return True

    async def _bring(self, run: KeyRun, meter: MeterCertificates, title: bytes, der: bytes) -> None:
        access, use = self._access, pair_use(KeyKind.SIGNING)
        if run.job.is_half_done:
            await access.write(run, events=(KeyEvent.STILL_OLD,))
        await access.write(run, events=(KeyEvent.SENDING,), step=IMPORT)
        if await meter.shown(CertificateOwner.CLIENT, use, title) != der:
            await meter.bring(der)
            if await meter.shown(CertificateOwner.CLIENT, use, title) != der:
                raise _unfit(run, KeyKind.SIGNING, "the device does not show the certificate of ours it was brought")
        await _remove_others(meter, CertificateOwner.CLIENT, use, x509.load_der_x509_certificate(der))
        await access.write(run, events=(KeyEvent.PROVED,))
        access.news(run, "key-changed", f"it holds our newest certificate: {run.campaign.purpose}")


async def _get_ready(own: OwnKeys, suite: SecuritySuite) -> None:
    """See that our keys of a suite are at hand; what there is stays in use where the authority is away."""
    if not own.signers(suite):
        try:
            await own.ready(suite)
        except MeterworksError as error:
            log.warning("no key of ours of that suite", suite=int(suite), cause=str(error))


def _current(run: KeyRun) -> KeyKind:
    """The kind that is being replaced."""
    named = run.job.step.partition(":")[0]
    return KeyKind(named) if named else run.campaign.kinds[0]


def _following(run: KeyRun, kind: KeyKind) -> KeyKind | None:
    kinds = run.campaign.kinds
    place = kinds.index(kind) + 1
    return kinds[place] if place < len(kinds) else None


def _checked_request(run: KeyRun, kind: KeyKind, request: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a request that is the device's own, new, of its suite, and not published (SEC-019, SEC-027, SEC-122).

    Raises CertificateUnfitError, CertificateRequestError, EnrolmentRefused (no proof of possession), KnownKeyError.
    """
    key = read_request(request)
    names = x509.load_der_x509_csr(request).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    title = run.device.system_title.hex()
    if len(names) != 1 or str(names[0].value).lower() != title:
        raise _unfit(run, kind, "the request names another device")
    if key.curve.name != _CURVES[SecuritySuite(run.device.suite)]:
        raise _unfit(run, kind, f"the request's key is on {key.curve.name}, which is not of suite {run.device.suite}")
    refuse_known_key_pair(key, f"the {kind} key pair of device {title}")
    for each in run.hand.versions:
        if each.certificate is not None and x509.load_der_x509_certificate(each.certificate).public_key() == key:
            raise _unfit(run, kind, f"the request is for the key of {each.kind} version {each.version}, not a new one")
    return key


async def _remove_others(
    meter: MeterCertificates, owner: CertificateOwner, use: int, certificate: x509.Certificate
) -> None:
    """Have the device forget what else it lists of the same subject and use: the certificates before."""
    subject = certificate.subject.public_bytes()
    for listed in await meter.listed():
        same = (listed.owner, listed.use) == (owner, use)
        if same and listed.subject == subject and not listed.is_of(certificate):
            await meter.remove(listed)


def _unfit(run: KeyRun, kind: KeyKind, what: str) -> CertificateUnfitError:
    return CertificateUnfitError(
        f"device {run.device.device_id}: {what}; nothing was put in force: look at the device",
        device=run.device.device_id,
        kind=str(kind),
    )
