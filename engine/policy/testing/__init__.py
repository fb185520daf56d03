"""The author's tests: records given inline, rows expected in the outputs, and what differs."""

from engine.policy.testing.case import PolicyTest, read_tests
from engine.policy.testing.compare import Difference, differences, last_stage
from engine.policy.testing.reasons import Reason, read_reasons

__all__ = ["Difference", "PolicyTest", "Reason", "differences", "last_stage", "read_reasons", "read_tests"]
