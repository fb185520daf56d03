"""The sample firm: a deterministic consultancy in five systems, for demonstrations, tests and measurements."""

from adapters.sampling.firm import Firm, FirmOptions, simulate_firm
from adapters.sampling.writing import write_canonical

__all__ = ["Firm", "FirmOptions", "simulate_firm", "write_canonical"]
