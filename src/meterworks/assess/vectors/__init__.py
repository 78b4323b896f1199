"""Test vectors: every vector of a folder run with the production code, in the formats of `../shared/vectors`."""

from meterworks.assess.vectors.gb_runner import GB_STEPS
from meterworks.assess.vectors.runner import run_vectors
from meterworks.assess.vectors.verdict import Outcome, VectorReport, Verdict

__all__ = ["GB_STEPS", "Outcome", "VectorReport", "Verdict", "run_vectors"]
