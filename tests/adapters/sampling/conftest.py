from __future__ import annotations

import pytest

from adapters.sampling import Firm, FirmOptions, simulate_firm


@pytest.fixture(scope="session")
def clean_firm() -> Firm:
    return simulate_firm(FirmOptions(clean=True))


@pytest.fixture(scope="session")
def firm() -> Firm:
    return simulate_firm(FirmOptions())
