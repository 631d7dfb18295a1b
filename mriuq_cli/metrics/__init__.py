"""What a prediction is worth: figures of images and of intervals, and their summaries over subjects."""
