"""The fuzz target under atheris, guided by coverage of our code.

python -m tests.fuzz.guided [libFuzzer options] [corpus folders]      needs atheris (extra `fuzz`)
"""

import sys

import atheris

INSTRUMENTED = [  # what is under test, not the libraries below
    *("meterworks.protocols", "meterworks.assess.conformance", "meterworks.companions", "meterworks.trust.pki"),
]

with atheris.instrument_imports(include=INSTRUMENTED):
    from tests.fuzz.target import run_any


def main() -> None:
    """Run until an option or a finding ends it."""
    atheris.Setup(sys.argv, run_any)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
