"""What the sample has beside its marks: photographs to try, a trained run, and what was done with them."""
