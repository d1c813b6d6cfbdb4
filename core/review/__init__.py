"""A second look at labels: neighbours, predictions, the queue, quality."""
