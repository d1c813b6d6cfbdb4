"""Finding the marks in a picture: where they are, how sure that is, and their ink."""
