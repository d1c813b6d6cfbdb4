"""Variants of originals: transforms, policies, label safety, writing, balance."""
