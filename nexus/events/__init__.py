"""What processes tell each other through Redis and may lose: rings, words, rate limits."""
