"""The publisher of nchan, as its back ends know it."""
