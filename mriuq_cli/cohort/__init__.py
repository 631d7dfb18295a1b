"""Many cases: plans, receipts, and one case from its files to its outputs."""
