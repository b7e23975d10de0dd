"""The same training and payloads under other people's engines, each imported at its first use."""
