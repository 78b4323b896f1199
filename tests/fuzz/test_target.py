"""The one target behind which all others stand: each is reached, and takes its examples."""

import random

from tests.fuzz.target import DOCUMENT_TARGETS, changed, corpus, run_any


def test_every_example_reaches_what_it_is_for():
    documents = [octets for octets in corpus() if octets[0] >= 256 - len(DOCUMENT_TARGETS)]
    assert {octets[0] for octets in documents} == set(range(256 - len(DOCUMENT_TARGETS), 256))
    assert all(run_any(octets) == "taken" for octets in documents)
    assert run_any(b"") == "refused"


def test_changed_examples_are_taken_or_refused():
    source = random.Random(3)
    assert {run_any(changed(source)) for _ in range(200)} == {"taken", "refused"}
