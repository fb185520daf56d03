"""The author's tests: records given inline, rows expected in the outputs, and what differs."""

from engine.policy.testing.case import PolicyTest, read_tests
from engine.policy.testing.compare import Difference, differences

__all__ = ["Difference", "PolicyTest", "differences", "read_tests"]
