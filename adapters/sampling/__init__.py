"""The sample firm: a deterministic consultancy in five systems, for demonstrations, tests and measurements."""

from adapters.sampling.firm import SAMPLE, Firm, FirmOptions, simulate_firm
from adapters.sampling.writing import write_canonical, write_vendor

__all__ = ["SAMPLE", "Firm", "FirmOptions", "simulate_firm", "write_canonical", "write_vendor"]
