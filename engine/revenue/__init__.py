"""Revenue: what each promise earned, period by period, and what stands on the balance sheet for it."""
