"""Our own key pairs toward meters: made once, certified, renewed in time, taken up again after a kill."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from tests.security.device_keys.bench import HEAD_END, START
from tests.security.device_keys.certified import Registrar

from meterworks.errors import UnreachableError
from meterworks.headend import OwnCredentials
from meterworks.headend.errors import CertificateUnfitError
from meterworks.headend.key_identity import public_point
from meterworks.protocols.dlms import SecuritySuite, verify_signature
from meterworks.trust import FileKeyVault, KeyStore

NOW = datetime.fromtimestamp(START, UTC)
SUITES = [SecuritySuite.SUITE_1, SecuritySuite.SUITE_2]


class Bench:
    def __init__(self, folder):
        self.registrar = Registrar(START)
        self.folder = folder
        self.opened = 0
        self.own = self.again()

    def again(self):
        """As a new process of the head-end begins."""
        return OwnCredentials(self.vault, self.folder / "tls", self.registrar, system_title=HEAD_END)

    def vault(self):
        self.opened += 1
        return FileKeyVault(self.folder / "vault", KeyStore(bytes(range(32))))


@pytest.fixture
def bench(tmp_path):
    (tmp_path / "tls").mkdir()
    return Bench(tmp_path)


@pytest.mark.parametrize("suite", SUITES)
async def test_what_we_sign_the_certificate_verifies(bench, suite):
    assert bench.own.signers(suite) == []
    assert not bench.opened  # nobody wanted a key
    assert not await bench.own.ready(suite, now=NOW)
    (signer,), (certificate,) = bench.own.signers(suite), bench.own.certificates(suite)
    verify_signature(suite, public_point(certificate), b"message", signer.sign(b"message"))
    assert bench.registrar.asked == [f"dlms-{int(suite)}-signature"]
    held = x509.load_der_x509_certificate(certificate)
    assert held.subject.rfc4514_string() == f"CN={HEAD_END.hex()}"


async def test_a_new_process_takes_up_the_same_key(bench):
    await bench.own.ready(SUITES[0], now=NOW)
    again = bench.again()
    assert not await again.ready(SUITES[0], now=NOW)
    assert again.certificates(SUITES[0]) == bench.own.certificates(SUITES[0])
    assert len(bench.registrar.asked) == 1


async def test_at_two_thirds_of_its_time_a_successor_is_made_and_both_serve(bench):
    await bench.own.ready(SUITES[0], now=NOW)
    (first,) = bench.own.certificates(SUITES[0])
    assert not await bench.own.ready(SUITES[0], now=NOW + timedelta(days=2430))
    bench.registrar.now += timedelta(days=2440)
    assert await bench.own.ready(SUITES[0], now=NOW + timedelta(days=2440))
    assert bench.own.certificates(SUITES[0])[1:] == [first]
    assert len({signer.public_key for signer in bench.own.signers(SUITES[0])}) == 2
    assert not await bench.own.ready(SUITES[0], now=NOW + timedelta(days=2441))
    assert [name for name, _ in bench.own.expiring()] == ["head-end, suite 1"]


async def test_a_pair_whose_certificate_was_not_answered_is_asked_for_again(bench):
    bench.registrar.faults = [True]
    with pytest.raises(UnreachableError):
        await bench.own.ready(SUITES[0], now=NOW)
    assert bench.own.signers(SUITES[0]) == []
    again = bench.again()
    await again.ready(SUITES[0], now=NOW)
    assert list(bench.vault().labels()) == ["dlms-1-signature.1"]
    assert len(again.signers(SUITES[0])) == 1


async def test_an_authority_that_is_away_is_not_asked_again_for_each_meter(bench):
    bench.registrar.faults = [True]
    for _ in range(5):
        with pytest.raises(UnreachableError):
            await bench.own.ready(SUITES[0], now=NOW)
    assert bench.registrar.asked == []
    bench.own._patience_s.clear()  # a minute later
    await bench.own.ready(SUITES[0], now=NOW)
    assert len(bench.registrar.asked) == 1


async def test_while_the_authority_is_away_the_one_before_serves(bench):
    await bench.own.ready(SUITES[0], now=NOW)
    later = NOW + timedelta(days=3000)
    bench.registrar.faults = [True]
    with pytest.raises(UnreachableError):
        await bench.own.ready(SUITES[0], now=later)
    assert len(bench.own.signers(SUITES[0])) == 1
    bench.registrar.now = later
    assert await bench.own.ready(SUITES[0], now=later)
    assert len(bench.own.signers(SUITES[0])) == 2


def test_octets_that_are_no_certificate_have_no_key():
    with pytest.raises(CertificateUnfitError, match="cannot be read"):
        public_point(b"no certificate")
