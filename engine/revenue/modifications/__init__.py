"""What changes do to a contract: their kind, their order, what stands after each."""
