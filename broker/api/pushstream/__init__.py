"""The push-stream module's publisher and statistics, as its back ends know them."""
