"""Training: honest splits, losses over triplets, the loop, runs on disk, the promoted model."""
