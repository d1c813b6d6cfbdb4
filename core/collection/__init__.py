"""The collection: classes and items, what changes them, and how they follow the folders."""
