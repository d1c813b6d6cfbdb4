"""Pictures to vectors: weights, the network, its engines, the search among vectors, the gallery."""
