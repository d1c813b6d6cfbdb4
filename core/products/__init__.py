"""From marks to the lens: which product carries these marks and this code, and products from catalogue pictures."""
