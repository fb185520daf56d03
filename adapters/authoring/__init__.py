"""What authors of policies get: differences in money, weighed proofs, mutants, approvals, workbooks, manuals."""
