"""Image quality from the uncertainty of cleaning a scan."""
