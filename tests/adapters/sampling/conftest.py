from __future__ import annotations

import pytest

from adapters.sampling import Firm, FirmOptions, simulate_firm


@pytest.fixture(scope="session")
def clean_firm() -> Firm:
    return simulate_firm(FirmOptions(clean=True))


@pytest.fixture(scope="session")
def firm() -> Firm:
    return simulate_firm(FirmOptions())


@pytest.fixture(scope="session", params=[(40, 12, 2026), (25, 18, 7), (12, 5, 31)], ids=["usual", "longer", "small"])
def any_clean_firm(request: pytest.FixtureRequest) -> Firm:
    contracts, months, seed = request.param
    return simulate_firm(FirmOptions(contracts=contracts, months=months, seed=seed, nights=2, clean=True))
