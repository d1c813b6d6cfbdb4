"""Evaluation: an encoder asked about originals that it was not trained on, and what its answers teach."""
