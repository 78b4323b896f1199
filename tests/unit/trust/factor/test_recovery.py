"""Recovery codes are many, long, and forgiving to read."""

from meterworks.trust.factor import RECOVERY_CODE_COUNT, hash_recovery_code, new_recovery_codes


def test_a_set_has_no_two_alike():
    codes = new_recovery_codes()
    assert len(set(codes)) == RECOVERY_CODE_COUNT
    assert all(len(code) == 17 for code in codes)


def test_case_and_hyphens_do_not_matter_and_letters_do():
    (code, other, *_) = new_recovery_codes()
    assert hash_recovery_code(code) == hash_recovery_code(f" {code.upper().replace('-', ' ')} ")
    assert hash_recovery_code(code) != hash_recovery_code(other)
