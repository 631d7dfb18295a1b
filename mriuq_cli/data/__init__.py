"""Volumes, grids, cases and the files they come from; numpy only."""
