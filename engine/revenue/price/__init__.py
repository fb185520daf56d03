"""The transaction price and its allocation."""
