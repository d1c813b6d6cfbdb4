"""Components of our own (JavaScript beside them): what native elements cannot show. They know no pages."""
