"""One-time codes by time, judged by RFC 6238's own examples."""

import pyotp
import pytest

from meterworks.trust.factor import matching_step, new_totp_secret, totp_uri

SEED = b"12345678901234567890"  # RFC 6238, appendix B, SHA-1


@pytest.mark.parametrize(
    ("epoch_s", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_the_standard_fit(epoch_s, code):
    assert matching_step(SEED, code, epoch_s=epoch_s, after=-1) == epoch_s // 30


def test_a_neighbouring_step_fits_and_the_next_one_does_not():
    code = pyotp.TOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").at(3000)
    found = [seconds for seconds in range(2910, 3091, 30) if matching_step(SEED, code, epoch_s=seconds, after=-1)]
    assert found == [2970, 3000, 3030]


def test_a_step_that_was_taken_is_not_taken_again():
    assert matching_step(SEED, "287082", epoch_s=59, after=0) == 1
    assert matching_step(SEED, "287082", epoch_s=59, after=1) is None


@pytest.mark.parametrize("code", ["", "28708", "2870820", "28708a", "٢٨٧٠٨٢", "-87082"])
def test_what_is_no_code_fits_nothing(code):
    assert matching_step(SEED, code, epoch_s=59, after=-1) is None


def test_spaces_do_not_matter():
    assert matching_step(SEED, "287 082", epoch_s=59, after=-1) == 1


def test_an_authenticator_understands_the_picture():
    secret = new_totp_secret()
    read = pyotp.parse_uri(totp_uri(secret, account="olivia", issuer="Meterworks"))
    assert (read.name, read.issuer) == ("olivia", "Meterworks")
    assert isinstance(read, pyotp.TOTP)
    assert matching_step(secret, read.at(59), epoch_s=59, after=-1) == 1
