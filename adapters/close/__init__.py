"""Closing a period: a readiness board, a certificate that voids itself, signatures, and the auditor's bundle."""
