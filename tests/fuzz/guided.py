"""The fuzz target under atheris, guided by coverage of the protocols.

python -m tests.fuzz.guided [libFuzzer options] [corpus folders]      needs atheris (extra `fuzz`)
"""

import sys

import atheris

INSTRUMENTED = ["meterworks.protocols", "meterworks.assess.conformance"]  # what is under test, not the libraries below

with atheris.instrument_imports(include=INSTRUMENTED):
    from tests.fuzz.dlms import run_one


def main() -> None:
    """Run until an option or a finding ends it."""
    atheris.Setup(sys.argv, run_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
