"""The embedded stack: one supervisor over Valkey, Chroma, the API and the workers."""
