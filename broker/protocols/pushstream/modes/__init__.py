"""The modes of this dialect: how a subscriber is served, one module each."""
