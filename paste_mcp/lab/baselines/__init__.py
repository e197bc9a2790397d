"""Simple ways of foreseeing calls, and the perfect one, to hold ours against. Each learns as it watches."""
