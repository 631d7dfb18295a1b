"""Signal equations, anatomy and simulated exams; every time in seconds, every length in mm."""
