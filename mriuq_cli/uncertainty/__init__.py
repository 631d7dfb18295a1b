"""Intervals: scored, stretched until they hold, and judged for whom they hold. numpy alone, never torch."""
