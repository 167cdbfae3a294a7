"""The catalogue: passages of documents in SQL, the truth that memory works with."""
