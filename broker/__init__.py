"""Channel messaging over HTTP and WebSocket, resumable from one cursor."""

__version__ = "0.1.0"
